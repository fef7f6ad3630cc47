"""Schedules uploaded from pinned memory; FlowUniPC's ``convert_model_output`` uploads one sigma per call besides."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from syncfree.adapters.host_timesteps import schedule_made_on_the_host, schedule_with_twins
from syncfree.adapting import Binding, Compose, Form

from ._names import BOOGU, EULER, HELIOS, MAMMOTH, OMNIGEN, RELEASES, UNIPC, WAN_EULER


def sigmas_on_the_device(upload: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``convert_model_output``: upstream's, while ``self.sigmas`` is a copy where the sample is, uploaded once."""
    from syncfree.adapters.host_copies import cache_for, stream_of

    @functools.wraps(upstream)
    def convert_model_output(self: Any, model_output: Any, *args: Any, sample: Any = None, **kwargs: Any) -> Any:
        sigmas = self.sigmas
        notes = cache_for(sigmas)
        if args or kwargs or sample is None or notes is None or sample.device == sigmas.device:
            return upstream(self, model_output, *args, sample=sample, **kwargs)
        key = sample.device, stream_of(sample)
        if key not in notes:
            placed = upload(sigmas, sample.device, sigmas.dtype)
            if placed is NotImplemented:
                return NotImplemented
            notes[key] = placed
        self.sigmas = notes[key]
        try:
            return upstream(self, model_output, sample=sample)
        finally:
            self.sigmas = sigmas

    return convert_model_output


_UPLOADS = "1 to 2 pageable uploads per request"
_READ = f"{_UPLOADS}; a schedule that is computed on the device is read once"
_WITH_THE_END = schedule_with_twins("timesteps", "_timesteps")
_MADE: dict[str, tuple[str, Compose]] = {
    # Dynamic shifting computes the sigmas on the device.
    HELIOS: (_READ, schedule_with_twins("timesteps", "sigmas", read=("timesteps", "sigmas"))),
    EULER: (_UPLOADS, schedule_made_on_the_host),
    WAN_EULER: (_READ, schedule_with_twins("timesteps", "sigmas", read=("timesteps",))),
    **dict.fromkeys((MAMMOTH, BOOGU, OMNIGEN), (_UPLOADS, _WITH_THE_END)),
}
BINDINGS = (
    Binding(
        "schedule_upload",
        (f"{UNIPC}.set_timesteps", f"{UNIPC}.convert_model_output"),
        (
            Form(
                RELEASES[UNIPC],
                "stalls",
                "1 pageable upload per request and 1 per step",
                (schedule_made_on_the_host, sigmas_on_the_device),
            ),
        ),
    ),
    *(
        Binding("schedule_upload", (f"{scheduler}.set_timesteps",), (Form(RELEASES[scheduler], "stalls", why, (made,)),))
        for scheduler, (why, made) in _MADE.items()
    ),
)
