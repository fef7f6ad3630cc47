"""UniPC updates from a table: the scalars of an update depend on the schedule, the position and the order alone.

They are computed by the operations of `sync_free`, on the same device, for all positions of a schedule at once, when the
first of them is reached with an order; and kept for every later request with that schedule. Results are bitwise equal; about
21 kernels are launched per step instead of about 100. Systems are solved one by one, each when its position is reached:
solving a batch takes other kernels, whose results may differ.
"""

from __future__ import annotations

import torch

from syncfree.hooks.scheduler_step import MultistepUpdate
from syncfree.plugins.sync_free.scheduler_step import (
    Coefficients,
    apply,
    coefficients,
    is_covered,
    placed_sigmas,
    point,
    solution,
    split,
    terms,
)

from ._tables import Table, table_of


def scheduler_step(update: MultistepUpdate) -> torch.Tensor:
    """Implement the contract of `syncfree.hooks.scheduler_step`; declines what ``sync_free`` declines."""
    if update.sigmas.requires_grad:
        return NotImplemented  # type: ignore[no-any-return]
    table = table_of(update.sigmas, update.host_sigmas, update.sample)
    kind = (
        update.order,
        update.model_output is None,
        update.solver_type,
        update.predict_x0,
        update.schedule,
        update.scalars_follow,
        update.pair,
        update.sample.dtype,
    )
    scalars = None if table is None else table.coefficients.get((update.start, kind))
    if scalars is None:
        if not is_covered(update):
            return NotImplemented  # type: ignore[no-any-return]
        with torch.inference_mode(False):  # an inference tensor kept for later would break a caller who needs gradients
            scalars = coefficients(update) if table is None else _computed(update, table, kind)
        if table is not None:
            table.coefficients[update.start, kind] = scalars
    return apply(update, scalars)


def _computed(update: MultistepUpdate, table: Table, kind: tuple[object, ...]) -> Coefficients:
    """The scalars of one position, out of those of all positions."""
    first = update.order - 1
    row = update.start - first
    if not 0 <= row < len(update.sigmas) - update.order:
        return coefficients(update)
    rows = table.terms.get(kind)
    if rows is None:
        reading = update.schedule, update.scalars_follow
        if (points := table.points.get(reading)) is None:
            points = table.points[reading] = point(update, placed_sigmas(update))
        older = [points.log_snr[first - i : -1 - i] for i in range(1, update.order)]
        end, begin = (
            type(points)(*(vector[part] for vector in points)) for part in (slice(first + 1, None), slice(first, -1))
        )
        rows = table.terms[kind] = terms(update, end, begin, older)
    weights = rows.weights
    if rows.system is not None:
        weights = solution(update, *(part[row] for part in rows.system))
    elif weights is not None and weights.dim() > 1:
        weights = weights[row]
    ratios = tuple(ratio[row] for ratio in rows.ratios)
    return Coefficients(rows.sample[row], rows.newest[row], rows.change[row], ratios, *split(update, weights))
