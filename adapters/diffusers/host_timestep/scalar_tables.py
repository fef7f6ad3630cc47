"""Scalars of steps, kept with the alphas that they were computed from; imported when a binding is made.

A step's scalars depend on a few alphas and on arguments of the step. They are computed by upstream's operators on upstream's
device and kept, so the samples are equal bit for bit.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch

from syncfree.adapters.host_copies import cache_for, host_copy_of, stream_of
from syncfree.plugins.found_by_content import FoundByContent
from syncfree.plugins.ordinary import content, is_ordinary

_SMALLEST = 1e-15
"""Alphas on the host are 0 or between it and 1, so that no scalar is sub-normal, which may be 0 for one thread and not for
another one: products of two alphas and a beta are above 6e-38 in float32."""
_EXACT = (torch.float32, torch.float64)
_MOST_SCALARS = 4096
PREDICTIONS = ("epsilon", "sample", "v_prediction")
"""The prediction types that `original_sample` covers."""

Scalars = TypeVar("Scalars", bound="tuple[Any, ...]")


class Order(NamedTuple):
    """The timesteps of a schedule, and by timestep what comes after its first place: -1 after the last one."""

    timesteps: tuple[int, ...]
    after: dict[int, int]


@functools.lru_cache(maxsize=64)
def _order(timesteps: tuple[int, ...]) -> Order:
    pairs = zip(reversed(timesteps), reversed((*timesteps[1:], -1)), strict=True)
    return Order(timesteps, dict(pairs))


_orders: FoundByContent[Order] = FoundByContent()


def order_of(schedule: Any) -> Order | None:
    """Return the order of a schedule's timesteps; None where they are not known on the host."""
    host = host_copy_of(schedule)
    if host is None:
        return None
    order = _orders.get(host)
    if order is not None and len(order.timesteps) == host.numel():
        return order
    if not is_ordinary(host) or host.dtype is not torch.int64 or host.dim() != 1:
        return None
    order = _order(tuple(host.tolist()))
    _orders.keep(host, content(host), order)
    return order


class Table:
    """Scalars computed from one row of alphas."""

    def __init__(self, alphas: torch.Tensor) -> None:
        self._size = len(alphas)
        self._values = alphas.numpy().data if alphas.is_cpu else None  # the same memory
        self._scalars: dict[Any, tuple[Any, list[float | None] | None]] = {}

    def following(self, scheduler: Any, timestep: int, last: int) -> int | None:
        """Return the timestep after that of the scheduler's ``step_index``, ``last`` at the end; None where it is not known.

        A scheduler at its first step gets its ``step_index`` here, as upstream's step begins, too.
        """
        if scheduler.step_index is None:
            scheduler._init_step_index(timestep)
        order, place = order_of(scheduler.timesteps), scheduler.step_index
        if order is None or type(place) is not int or place < 0:
            return None
        if place + 1 < len(order.timesteps):
            return order.timesteps[place + 1]
        return last if a_new_scalar_has_a_value() else None

    def scalars(
        self,
        kind: type[Scalars],
        scheduler: Any,
        final: str,
        positions: tuple[int | None, ...],
        depends_on: tuple[Any, ...],
        make: Callable[[], Scalars],
    ) -> Scalars | None:
        """Return what ``make`` computes, from the table if it is there.

        Args:
            kind: the class of the scalars. Each scheduler has its own.
            scheduler: one with these ``alphas_cumprod``.
            final: the attribute that stands for the alpha of a negative position, which is on the host.
            positions: which alphas the scalars depend on; None for one that is not used.
            depends_on: whatever else they depend on.
            make: computes them.

        Returns:
            The scalars, which must not be changed; None where upstream has to compute them: a position that the alphas do not
            reach to, an alpha that is so small that the scalars may be sub-normal, a ``final`` that is no plain scalar.
        """
        values: list[float | None] = []
        dtype = None
        for position in positions:
            if position is None:
                value = None
            elif position >= self._size:
                return None
            elif position >= 0:
                value = None if self._values is None else self._values[position]
            else:
                last = getattr(scheduler, final)
                if not is_ordinary(last) or not last.is_cpu or last.dim() or last.requires_grad or last.dtype not in _EXACT:
                    return None
                value, dtype = last.item(), last.dtype
            values.append(value)
        key = kind, positions, dtype, depends_on, stream_of(scheduler.alphas_cumprod)
        scalars: Scalars
        scalars, made_of = self._scalars.get(key, (None, None))
        if made_of == values and 0 not in values:  # which equals -0
            return scalars
        if not all(value is None or _is_covered(value) for value in values):
            return None
        if made_of == values:
            return scalars
        with torch.inference_mode(False):  # inference tensors kept for later would break who needs gradients
            scalars = make()
        if all(type(one) is torch.Tensor or not isinstance(one, torch.Tensor) for one in scalars):
            if len(self._scalars) >= _MOST_SCALARS:
                self._scalars.clear()
            self._scalars[key] = scalars, values  # no mode of the caller's has made something else of them
        return scalars


def table_of(alphas: Any) -> Table | None:
    """Return the table of a scheduler's alphas; None where nothing may be kept with them, or they are not one row."""
    notes = cache_for(alphas)
    if notes is None:
        return None
    table: Table | None = notes.get(Table)
    if table is None and alphas.dim() == 1 and not alphas.is_neg():
        table = notes[Table] = Table(alphas)
    return table


def index_of(host_timestep: Callable[..., Any], timestep: Any, schedule: Any) -> int | None:
    """Return a timestep as an index of the alphas; None for what is not one integer of the host or of the schedule.

    A negative one is None, too: upstream counts it from the end. Nothing is traced here, for then there is no table.
    """
    if type(timestep) is not int:
        if not is_ordinary(timestep) or timestep.dtype is not torch.int64 or timestep.dim():
            return None
        if not timestep.is_cpu:
            host = host_copy_of(schedule)
            timestep = NotImplemented if host is None else host_timestep(timestep, schedule, host)
            if timestep is NotImplemented:
                return None
        timestep = timestep.item()
    return timestep if timestep >= 0 else None


def a_new_scalar_has_a_value() -> bool:
    """Return whether it has one where the default device makes it; at the end of a schedule upstream makes one, and reads it."""
    return torch.get_default_device().type in ("cpu", "cuda")


def _is_covered(value: float) -> bool:
    return _SMALLEST <= value <= 1 or (value == 0 and math.copysign(1, value) > 0)


def original_sample(
    prediction: str, sample: Any, output: Any, root_alpha: torch.Tensor, root_beta: torch.Tensor
) -> Any:
    """Return the original sample that a model output stands for, as upstream's steps compute it.

    Args:
        prediction: what the output is: ``epsilon``, ``sample`` or ``v_prediction``.
        sample, output: of any one shape and dtype.
        root_alpha, root_beta: 0-dim.
    """
    if prediction == "epsilon":
        return (sample - root_beta * output) / root_alpha
    if prediction == "sample":
        return output
    return root_alpha * sample - root_beta * output
