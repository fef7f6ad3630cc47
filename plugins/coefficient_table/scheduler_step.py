"""UniPC updates from a table: the scalars of an update depend on the schedule, the position and the order alone.

They are computed by the operations of `sync_free`, on the same device, for all positions of a schedule at once, when the
first of them is reached with an order; and kept for every later request with that schedule. Results are bitwise equal; about
21 kernels are launched per step instead of about 100. Systems are solved one by one, each when its position is reached:
solving a batch takes other kernels, whose results may differ.
"""

from __future__ import annotations

from collections.abc import Hashable

import torch

from syncfree.hooks.scheduler_step import MultistepUpdate
from syncfree.plugins.sync_free.scheduler_step import (
    Coefficients,
    apply,
    coefficients,
    is_ordinary_update,
    is_solvable,
    placed_sigmas,
    point,
    solution,
    split,
    terms,
)

from ._tables import Table, form_of, table_of


def scheduler_step(update: MultistepUpdate) -> torch.Tensor:
    """Implement the contract of `syncfree.hooks.scheduler_step`; declines what ``sync_free`` declines."""
    if not is_ordinary_update(update):
        return NotImplemented  # type: ignore[no-any-return]
    table, form = table_of(update), form_of(update)
    scalars = None if table is None else table.coefficients.get((update.start, form))
    if scalars is None:
        if not is_solvable(update):
            return NotImplemented  # type: ignore[no-any-return]
        with torch.inference_mode(False):  # an inference tensor kept for later would break a caller who needs gradients
            scalars = coefficients(update) if table is None else _computed(update, table, form)
        if table is not None and _are_plain(scalars):
            table.coefficients[update.start, form] = scalars
    return apply(update, scalars)


def _are_plain(scalars: Coefficients) -> bool:
    """Return whether no mode of the caller's has made something else of them, which would live on in the table."""
    return all(type(scalar) is torch.Tensor for scalar in (scalars.sample, scalars.newest, scalars.change))


def _computed(update: MultistepUpdate, table: Table, form: Hashable) -> Coefficients:
    """The scalars of one position, out of those of all positions."""
    first = update.order - 1
    row = update.start - first
    rows = table.terms.get(form)
    if rows is None:
        reading = update.schedule, update.scalars_follow
        if (points := table.points.get(reading)) is None:
            points = point(update, placed_sigmas(update))
            if type(points.log_snr) is not torch.Tensor:
                return coefficients(update)
            table.points[reading] = points
        older = [points.log_snr[first - i : -1 - i] for i in range(1, update.order)]
        end, begin = (
            type(points)(*(vector[part] for vector in points)) for part in (slice(first + 1, None), slice(first, -1))
        )
        rows = terms(update, end, begin, older)
        if type(rows.sample) is torch.Tensor:
            table.terms[form] = rows
    weights = rows.weights
    if rows.system is not None:
        weights = solution(update, *(part[row] for part in rows.system))
    elif weights is not None and weights.dim() > 1:
        weights = weights[row]
    ratios = tuple(ratio[row] for ratio in rows.ratios)
    return Coefficients(rows.sample[row], rows.newest[row], rows.change[row], ratios, *split(update, weights))
