"""Replacements that let a scheduler's own code find the values of its timesteps on the host.

They serve any class with ``timesteps``, ``set_timesteps`` and the methods that diffusers' schedulers have, so a copy in
another project is bound with a few lines, too. Torch is imported when a binding is made.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from syncfree.adapting import Compose


def schedule_made_on_the_host(upload: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``set_timesteps``: upstream's, with its uploads watched and ``timesteps`` and ``sigmas`` given twins."""
    from syncfree.adapters.host_twins import Uploads, remember, with_versions

    parameters = list(inspect.signature(upstream).parameters)
    place = parameters.index("device") - 1 if "device" in parameters else None

    @functools.wraps(upstream)
    def set_timesteps(self: Any, *arguments: Any, **more: Any) -> Any:
        device = arguments[place] if place is not None else None
        if device == "cpu" or getattr(device, "type", None) == "cpu":
            return upstream(self, *arguments, **more)  # nothing is uploaded
        with with_versions(), Uploads(upload) as uploads:
            result = upstream(self, *arguments, **more)
        for schedule in (self.timesteps, getattr(self, "sigmas", None)):
            host = uploads.shadow(schedule)
            if schedule is not None and host is not schedule:
                remember(schedule, host)
        return result

    return set_timesteps


def index_on_the_host(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``index_for_timestep(timestep, schedule_timesteps=None)``: upstream's search, over the twin."""
    import torch

    from syncfree.adapters.host_twins import twin_of

    @functools.wraps(upstream)
    def index_for_timestep(self: Any, timestep: Any, schedule_timesteps: Any = None) -> Any:
        schedule = self.timesteps if schedule_timesteps is None else schedule_timesteps
        if isinstance(schedule, torch.Tensor) and schedule.is_cpu:
            return upstream(self, timestep, schedule_timesteps)  # nothing to translate
        host = twin_of(schedule)
        if host is None:
            return NotImplemented
        if isinstance(timestep, torch.Tensor):
            timestep = host_timestep(timestep, schedule, host)
            if timestep is NotImplemented:
                return NotImplemented
        return upstream(self, timestep, host)

    return index_for_timestep


def on_the_host(*timesteps: str, as_numbers: bool = False) -> Compose:
    """Compose a method that uses timesteps as indices and in conditions, not in arithmetic with samples.

    Upstream's method runs with the host values of the parameters named here, and with the twin as ``self.timesteps``
    until it returns.

    Args:
        timesteps: the parameters.
        as_numbers: integers are handed on as Python's, where nothing in the method asks a timestep for more than its value:
            what upstream then does with them costs less than on a 0-dim tensor.
    """

    def compose(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        from syncfree.adapters.host_twins import twin_of

        parameters = list(inspect.signature(upstream).parameters)
        places = [parameters.index(name) - 1 for name in timesteps]

        @functools.wraps(upstream)
        def method(self: Any, *arguments: Any) -> Any:
            schedule = self.timesteps
            host = twin_of(schedule)
            if host is None:
                return NotImplemented
            translated = list(arguments)
            for place in places:
                timestep = translated[place]
                if isinstance(timestep, torch.Tensor):
                    value = timestep if timestep.is_cpu else host_timestep(timestep, schedule, host)
                    if value is NotImplemented:
                        return NotImplemented
                    translated[place] = (
                        value.item() if as_numbers and value.dtype is torch.int64 and not value.dim() else value
                    )
            if host is schedule:
                return upstream(self, *translated)
            self.timesteps = host
            try:
                return upstream(self, *translated)
            finally:
                if self.timesteps is host:
                    self.timesteps = schedule

        return method

    return compose
