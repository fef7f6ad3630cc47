"""The index of a request's first timestep, where no begin index is set."""

from __future__ import annotations

from syncfree.adapters.host_timesteps import index_on_the_host, index_on_the_host_in, on_the_host
from syncfree.adapting import Binding, Compose, Form

from ._names import BOOGU, EULER, HELIOS, MAMMOTH, OMNIGEN, RELEASES, UNIPC, WAN_EULER

_WHY = "2 host syncs per request without a begin index: the index of the first timestep"
_WITH_THE_END = index_on_the_host_in("_timesteps")  # the timesteps and 1, where the last of them leads
_SEARCHES: dict[str, Compose] = {
    **dict.fromkeys((UNIPC, HELIOS, EULER), index_on_the_host),
    **dict.fromkeys((MAMMOTH, BOOGU, OMNIGEN), _WITH_THE_END),
    WAN_EULER: on_the_host("timestep"),
}
BINDINGS = tuple(
    Binding("host_timestep", (f"{scheduler}.index_for_timestep",), (Form(RELEASES[scheduler], "stalls", _WHY, (search,)),))
    for scheduler, search in _SEARCHES.items()
)
