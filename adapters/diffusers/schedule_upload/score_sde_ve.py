"""diffusers ``ScoreSdeVeScheduler``: its table of sigmas stays on the host, and each step carries indices and results over."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def sigmas_put_together_on_the_device(upload: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``set_sigmas``: upstream's, whose list of device scalars is downloaded at once, and once per schedule."""
    from syncfree.adapters.host_copies import with_versions
    from syncfree.adapters.uploads import Uploads
    from syncfree.plugins.ordinary import is_ordinary

    @functools.wraps(upstream)
    def set_sigmas(self: Any, *arguments: Any) -> Any:
        if not is_ordinary(self.timesteps) or self.timesteps.is_cpu:
            return upstream(self, *arguments)  # made on the host, as when the scheduler is
        with with_versions(), Uploads(upload) as uploads:
            uploads.followed.adopt(self.timesteps)
            return upstream(self, *arguments)

    return set_sigmas


def table_on_the_device(upload: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step_pred``: upstream's, on a view of the scheduler whose ``discrete_sigmas`` are on the device.

    An index outside of the table is an error on the host, and a failed assertion on a GPU. So it declines what is not a
    timestep of the schedule, and a table that is too small for it.
    """
    from syncfree.adapters.device_copies import device_copy
    from syncfree.adapters.host_copies import MARGIN, close_values_of
    from syncfree.adapters.host_view import uses_own_methods, view_of
    from syncfree.hooks.host_timestep import position
    from syncfree.plugins.ordinary import is_ordinary

    is_upstreams = uses_own_methods(upstream)

    @functools.wraps(upstream)
    def step_pred(self: Any, model_output: Any, timestep: Any, sample: Any, generator: Any, return_dict: Any) -> Any:
        schedule, table = self.timesteps, self.discrete_sigmas
        values = close_values_of(schedule)
        if values is None or not is_ordinary(timestep) or not is_ordinary(sample) or sample.device != timestep.device:
            return NotImplemented
        if position(timestep, schedule) is None or not is_ordinary(table) or table.dim() != 1 or not is_upstreams(self):
            return NotImplemented
        if float(values.min()) < 0 or float(values.max()) * (1 + MARGIN) * (len(schedule) - 1) >= len(table):
            return NotImplemented
        sigmas = device_copy(table, sample, upload)
        view = None if sigmas is None else view_of(self, discrete_sigmas=sigmas)
        if view is None:
            return NotImplemented
        return upstream(view, model_output, timestep, sample, generator, return_dict)

    return step_pred


def noise_without_a_wait(upload: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step_correct``: upstream's, whose noise of the host is uploaded from pinned memory."""
    from syncfree.adapters.uploads import PinnedUploads

    @functools.wraps(upstream)
    def step_correct(self: Any, *arguments: Any) -> Any:
        with PinnedUploads(upload):
            return upstream(self, *arguments)

    return step_correct
