"""The index of a request's first timestep, where no begin index is set."""

from __future__ import annotations

from syncfree.adapters.host_timesteps import index_on_the_host
from syncfree.adapting import Binding, Form

from ._names import EULER, HELIOS, RELEASES, UNIPC

_WHY = "2 host syncs per request without a begin index: the index of the first timestep"
BINDINGS = tuple(
    Binding("host_timestep", (f"{scheduler}.index_for_timestep",), (Form(RELEASES[scheduler], "stalls", _WHY, (index_on_the_host,)),))
    for scheduler in (UNIPC, HELIOS, EULER)
)
