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


def schedule_with_twins(*attributes: str, read: tuple[str, ...] = ()) -> Compose:
    """Compose ``set_timesteps``: upstream's, with its uploads watched and its schedules given twins.

    Args:
        attributes: the scheduler's schedules; one that it lacks is left out.
        read: those of them whose values are read from the device, once for each way to compute them, where the host does not
            know them: one wait, which the requests with the same schedule after it do not have.
    """

    def compose(upload: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        from syncfree.adapters.host_copies import with_versions
        from syncfree.adapters.uploads import Uploads

        parameters = list(inspect.signature(upstream).parameters)
        place = parameters.index("device") - 1 if "device" in parameters else None

        @functools.wraps(upstream)
        def set_timesteps(self: Any, *arguments: Any, **more: Any) -> Any:
            device = arguments[place] if place is not None else None
            if device == "cpu" or getattr(device, "type", None) == "cpu":
                return upstream(self, *arguments, **more)  # nothing is uploaded
            with with_versions(), Uploads(upload) as uploads:
                result = upstream(self, *arguments, **more)
            for name in attributes:
                keep = uploads.followed.keep_read if name in read else uploads.followed.keep
                keep(getattr(self, name, None))
            return result

        return set_timesteps

    return compose


schedule_made_on_the_host = schedule_with_twins("timesteps", "sigmas")
"""Compose ``set_timesteps`` of a scheduler that computes its schedule on the host."""


def index_on_the_host_in(searched: str) -> Compose:
    """Compose ``index_for_timestep(timestep, schedule_timesteps=None)``: upstream's search, over the twin.

    Args:
        searched: the attribute that it searches where it is given no schedule. The timestep is one of ``timesteps`` then.
    """

    def compose(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        from syncfree.adapters.host_copies import host_copy_of
        from syncfree.plugins.ordinary import is_ordinary

        @functools.wraps(upstream)
        def index_for_timestep(self: Any, timestep: Any, schedule_timesteps: Any = None) -> Any:
            schedule = getattr(self, searched) if schedule_timesteps is None else schedule_timesteps
            if isinstance(schedule, torch.Tensor) and schedule.is_cpu:
                return upstream(self, timestep, schedule_timesteps)  # nothing to translate
            host = host_copy_of(schedule)
            if host is None:
                return NotImplemented
            if isinstance(timestep, torch.Tensor):
                if not is_ordinary(timestep):
                    return NotImplemented
                origin = self.timesteps if schedule_timesteps is None else schedule_timesteps
                values = host_copy_of(origin)
                if values is None:
                    return NotImplemented
                timestep = host_timestep(timestep, origin, values)
                if timestep is NotImplemented:
                    return NotImplemented
            return upstream(self, timestep, host)

        return index_for_timestep

    return compose


index_on_the_host = index_on_the_host_in("timesteps")
"""Compose ``index_for_timestep`` of a scheduler that searches its ``timesteps``."""


def index_by_place(timestep_index: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``index_for_timestep(timestep, schedule_timesteps=None)`` for a schedule whose values the host does not know.

    Upstream answers with the second of two equal values, so it declines a schedule that may have some.
    """
    import torch

    from syncfree.adapters.host_copies import has_distinct_values

    @functools.wraps(upstream)
    def index_for_timestep(self: Any, timestep: Any, schedule_timesteps: Any = None) -> Any:
        schedule = self.timesteps if schedule_timesteps is None else schedule_timesteps
        if isinstance(schedule, torch.Tensor) and schedule.is_cpu:
            return upstream(self, timestep, schedule_timesteps)  # nothing to translate
        if not isinstance(timestep, torch.Tensor) or not has_distinct_values(schedule):
            return NotImplemented
        return timestep_index(timestep, schedule)

    return index_for_timestep


def on_the_host(*timesteps: str, as_numbers: bool = False) -> Compose:
    """Compose a method that uses timesteps as indices and in conditions, not in arithmetic with samples.

    Upstream's method runs with the host values of the parameters named here, on a view of the scheduler whose
    ``timesteps`` are the twin. It declines where a user's own method would be handed them.

    Args:
        timesteps: the parameters.
        as_numbers: they are integers that index tables and are handed on as Python's, where nothing in the method asks a
            timestep for more than its value: what upstream then does with them costs less than on a 0-dim tensor.
    """

    def compose(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        from syncfree.adapters.host_copies import host_copy_of
        from syncfree.adapters.host_view import uses_own_methods, view_of
        from syncfree.plugins.ordinary import is_ordinary, is_traced

        parameters = list(inspect.signature(upstream).parameters)
        places = [parameters.index(name) - 1 for name in timesteps]
        is_upstreams = uses_own_methods(upstream)

        def host_value(timestep: torch.Tensor, schedule: Any, host: Any) -> Any:
            if not is_ordinary(timestep) or is_traced():
                return NotImplemented
            value = timestep if timestep.is_cpu else host_timestep(timestep, schedule, host)
            if value is NotImplemented or not as_numbers:
                return value
            if value.dtype is torch.int64 and not value.dim():
                return value.item()
            return timestep if timestep.is_cpu else NotImplemented  # upstream's error speaks of the device

        @functools.wraps(upstream)
        def method(self: Any, *arguments: Any) -> Any:
            schedule = self.timesteps
            host = host_copy_of(schedule)
            if host is None or not is_upstreams(self):
                return NotImplemented
            if as_numbers and type(self.num_inference_steps) not in (int, type(None)):
                return NotImplemented  # a number less a float is no index, and upstream's error speaks of a tensor
            translated = list(arguments)
            for place in places:
                timestep = translated[place]
                if isinstance(timestep, torch.Tensor):
                    translated[place] = host_value(timestep, schedule, host)
                    if translated[place] is NotImplemented:
                        return NotImplemented
            if host is schedule:
                return upstream(self, *translated)
            view = view_of(self, timesteps=host)
            return NotImplemented if view is None else upstream(view, *translated)

        return method

    return compose
