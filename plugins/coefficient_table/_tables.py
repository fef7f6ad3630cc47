"""The storage of the coefficients of a schedule, and the check that they are still right.

What a coefficient of a UniPC update depends on, and where that is in the key (`step_coefficients` has a key of its own):

* the sigmas: their values, by `_by_content`, or the tensor at its version and address; so their number, too. They have one
  dimension and are plain tensors, or the update is declined;
* dtypes and devices of the sigmas and of the sample, and the stream that it was computed on: likewise;
* position, order, phase, solver, prediction, schedule, where upstream computes, how it solves: in `form_of`;
* what torch was told about solving systems on a GPU: in `form_of`, where there is a system.

Not in the key, because a coefficient does not depend on it or is not kept: default dtype and default device (every constructor
is told both), autocast (the sigmas are float32 or float64, which it leaves alone), the number of threads and deterministic
algorithms (the operations are elementwise, or one small system), flushing of sub-normal numbers (schedules that have some get
no table), gradients (sigmas that require them are declined), inference mode (left for the computation), functorch transforms,
tracing and capture (declined).
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from syncfree.hooks.scheduler_step import MultistepUpdate
from syncfree.plugins.found_by_content import FoundByContent
from syncfree.plugins.ordinary import content, is_ordinary, may_be_kept, survives_flushing
from syncfree.plugins.sync_free.scheduler_step import Coefficients, Point, Terms, current_stream

_SCHEDULES = 64
_FLOATS = frozenset({torch.float32, torch.float64})
_NAMES_MATMUL = hasattr(torch.backends.cuda.matmul, "fp32_precision")


@dataclass(slots=True)
class Table:
    """The coefficients of one schedule; the keys hold everything but what the table itself was found by.

    Attributes:
        points: of all sigmas, by how they are read.
        terms: of all positions, by `form_of`.
        coefficients: of one position, by the position and `form_of`.
        steps: what `step_coefficients` was asked for, by function, position and form.
    """

    points: dict[Hashable, Point] = field(default_factory=dict)
    terms: dict[Hashable, Terms] = field(default_factory=dict)
    coefficients: dict[Hashable, Coefficients] = field(default_factory=dict)
    steps: dict[Hashable, tuple[torch.Tensor, ...]] = field(default_factory=dict)


class _Of(NamedTuple):
    """A tensor at its version and address, and where it is used: what its table is found by."""

    version: int
    address: int
    length: int
    device: torch.device
    stream: int


_by_tensor: dict[int, tuple[weakref.ref[torch.Tensor], _Of, Table]] = {}


def form_of(update: MultistepUpdate) -> tuple[Hashable, ...]:
    """Everything besides schedule and position that the coefficients of an update depend on."""
    return (
        update.order,
        update.model_output is None,
        update.solver_type,
        update.predict_x0,
        update.schedule,
        update.scalars_follow,
        update.pair,
        update.rounds_step,
        update.sample.dtype,
        _solver_settings() if update.sample.is_cuda and update.order + (update.model_output is not None) > 2 else None,
    )


def _solver_settings() -> Hashable:
    if _NAMES_MATMUL:  # where there is this, the older question is an error once this has been set
        return torch.backends.cuda.preferred_linalg_library(), torch.backends.cuda.matmul.fp32_precision
    return torch.backends.cuda.preferred_linalg_library(), torch.get_float32_matmul_precision()


def table_of(update: MultistepUpdate) -> Table | None:
    """The table of a schedule for samples like this one; None when nothing may be kept of it.

    Sigmas whose values are known on the host are compared by content, so schedules that are equal share a table, whichever
    request or scheduler they belong to. Sigmas on the device cannot be read; their table belongs to that tensor at that
    version, and tensors made in inference mode, which have no version, get none. A table belongs to one stream: on another
    its scalars may not have been computed yet.
    """
    sigmas, sample = update.sigmas, update.sample
    stream = current_stream(sample)
    values = sigmas if sigmas.is_cpu else update.host_sigmas
    if values is not None and values.dtype is sigmas.dtype and values.shape == sigmas.shape:
        return _of_updates(values, (sigmas.get_device(), sample.get_device(), stream))
    if sigmas.is_inference():
        return None
    return _of_this_tensor(sigmas, sample.device, stream)


def table_on_a_device(schedule: torch.Tensor) -> Table | None:
    """The table of a schedule on a CUDA device whose coefficients stay there; None when nothing may be kept of it."""
    is_kept = is_ordinary(schedule) and schedule.dtype in _FLOATS and schedule.dim() == 1
    if not is_kept or schedule.is_inference() or schedule.requires_grad or not may_be_kept(schedule):
        return None
    return _of_this_tensor(schedule, schedule.device, current_stream(schedule))


def _of_this_tensor(sigmas: torch.Tensor, device: torch.device, stream: int) -> Table:
    key = id(sigmas)
    now = _Of(sigmas._version, sigmas.data_ptr(), len(sigmas), device, stream)
    found = _by_tensor.get(key)
    if found is not None and found[0]() is sigmas and found[1] == now:
        return found[2]
    table = Table()
    _by_tensor[key] = (weakref.ref(sigmas, functools.partial(_forget, key, _by_tensor)), now, table)
    return table


_for_updates: FoundByContent[dict[Hashable, Table | None]] = FoundByContent()


def _of_updates(values: torch.Tensor, where: Hashable) -> Table | None:
    """The table of known sigmas, whose updates are computed at a place: the devices of sigmas and sample, and a stream."""
    tables = _for_updates.get(values)
    if tables is None:
        tables = {}
        _for_updates.keep(values, content(values), tables)
    if where not in tables:
        tables[where] = _by_content((content(values),), (values.dtype,), where)
    return tables[where]


def _forget(key: int, tables: dict[int, Any], reference: object) -> None:
    """Drop a dead tensor's table. It is given the dictionary, because the module's names are gone when the interpreter ends."""
    tables.pop(key, None)


_on_the_host: FoundByContent[Table] = FoundByContent()


def table_on_the_host(schedule: torch.Tensor) -> Table | None:
    """The table of a schedule on the host whose coefficients stay there; None when nothing may be kept of it."""
    if schedule.is_inference() and torch.is_grad_enabled():
        return None  # upstream raises where gradients would need it
    table = _on_the_host.get(schedule)
    if table is not None or not is_host_schedule(schedule):
        return table
    values = content(schedule)
    table = _by_content((values,), (schedule.dtype,), None)
    if table is not None:
        _on_the_host.keep(schedule, values, table)
    return table


def table_of_several(schedules: tuple[torch.Tensor, ...]) -> Table | None:
    """The table of coefficients that are computed from several schedules."""
    if any(one.is_inference() for one in schedules) and torch.is_grad_enabled():
        return None
    if not all(map(is_host_schedule, schedules)):
        return None
    return _by_content(tuple(map(content, schedules)), tuple(one.dtype for one in schedules), None)


def is_host_schedule(value: Any) -> bool:
    """Return whether it is one row of floats on the host that is compared by content."""
    if not is_ordinary(value) or not value.is_cpu or value.dtype not in _FLOATS:
        return False
    return value.dim() == 1 and value.numel() > 0 and not value.requires_grad


@functools.lru_cache(maxsize=_SCHEDULES)
def _by_content(values: tuple[bytes, ...], dtypes: tuple[torch.dtype, ...], where: Hashable) -> Table | None:
    """`where` is None on the host, where coefficients are computed that may have products of sigmas in them."""
    schedules = (torch.frombuffer(bytearray(one), dtype=dtype) for one, dtype in zip(values, dtypes, strict=True))
    return Table() if all(survives_flushing(one, products=where is None) for one in schedules) else None
