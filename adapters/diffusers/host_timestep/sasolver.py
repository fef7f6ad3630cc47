"""diffusers ``SASolverScheduler.step``: its question whether a timestep lies between 200 and 800.

``tau_func`` is asked it with the timestep of this step and, by the corrector, with that of the last one, which the scheduler
keeps. It keeps the device's, as upstream; the default function gets their host values. A user's own function may do
arithmetic with what it gets, so it gets what upstream hands it.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any


def tau_of_host_timesteps(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; declines a ``tau_func`` that is not the default one, and a timestep that has no host value."""
    from syncfree.adapters.host_copies import host_copy_of
    from syncfree.adapters.host_view import uses_own_methods, view_of
    from syncfree.plugins.ordinary import is_ordinary

    is_upstreams = uses_own_methods(upstream)
    owner = upstream.__globals__[upstream.__qualname__.split(".")[0]]
    constants = inspect.unwrap(owner.__init__).__code__.co_consts
    defaults = [one for one in constants if isinstance(one, types.CodeType) and one.co_name == "<lambda>"]

    @functools.wraps(upstream)
    def step(self: Any, model_output: Any, timestep: Any, sample: Any, generator: Any, return_dict: bool) -> Any:
        schedule, tau_func = self.timesteps, self.tau_func
        host = host_copy_of(schedule)
        if host is None or getattr(tau_func, "__code__", None) not in defaults or not is_upstreams(self):
            return NotImplemented
        if host is schedule:
            return upstream(self, model_output, timestep, sample, generator, return_dict)  # nothing to translate

        def value_of(one: Any) -> Any:
            return host_timestep(one, schedule, host) if is_ordinary(one) and one.is_cuda else one

        def tau(one: Any) -> Any:
            value = value_of(one)
            return tau_func(one if value is NotImplemented else value)

        if value_of(timestep) is NotImplemented:
            return NotImplemented
        view = view_of(self, tau_func=tau)
        return NotImplemented if view is None else upstream(view, model_output, timestep, sample, generator, return_dict)

    return step
