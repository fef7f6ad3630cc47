"""UniPC updates from a table: the scalars of an update depend on the schedule, the position and the order alone.

They are computed by the operations of `sync_free`, on the same device, the first time a position of a schedule is reached,
and kept for every later request with that schedule. Results are bitwise equal; about 24 kernels are launched per step
instead of about 100.
"""

from __future__ import annotations

import torch

from syncfree.hooks.scheduler_step import MultistepUpdate
from syncfree.plugins.sync_free.scheduler_step import apply, coefficients, is_covered

from ._tables import table_of


def scheduler_step(update: MultistepUpdate) -> torch.Tensor:
    """Implement the contract of `syncfree.hooks.scheduler_step`; declines what ``sync_free`` declines."""
    sigmas, sample = update.sigmas, update.sample
    if sigmas.requires_grad:
        return NotImplemented  # type: ignore[no-any-return]
    table = table_of(sigmas, sample.device)
    key = (
        update.start,
        update.order,
        update.model_output is None,
        update.solver_type,
        update.predict_x0,
        update.schedule,
        update.scalars_follow,
        sample.dtype,
    )
    scalars = None if table is None else table.get(key)
    if scalars is None:
        if not is_covered(update):
            return NotImplemented  # type: ignore[no-any-return]
        with torch.inference_mode(False):  # an inference tensor kept for later would break a caller who needs gradients
            scalars = coefficients(update)
        if table is not None:
            table[key] = scalars
    return apply(update, scalars)
