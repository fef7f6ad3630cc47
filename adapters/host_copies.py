"""Host copies of schedules on the device.

The scheduler's own ``timesteps`` and ``sigmas`` are not changed or moved. The copies are kept by weak reference, so they are
dropped with the tensor, and with the tensor's version and address, so a write makes them stale. A write through ``.data`` or
by a kernel that torch does not know is not detected.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from syncfree.adapters.recipes import Recipe
from syncfree.plugins.ordinary import is_ordinary, may_be_kept

_EXACT = frozenset({torch.float32, torch.float64})
"""Autocast does not change float64 and converts smaller types to float32, so these are the same under it."""
Written = tuple[int, int]
"""A tensor's version and address, which change when it is written to, or gets other memory."""
_copies: dict[int, tuple[weakref.ref[torch.Tensor], Written, torch.Tensor]] = {}
_MOST_NOTES = 4096
_notes: dict[int, tuple[weakref.ref[torch.Tensor], Written, dict[Any, Any]]] = {}
_originals: dict[int, tuple[weakref.ref[torch.Tensor], weakref.ref[torch.Tensor]]] = {}
_close: dict[int, tuple[weakref.ref[torch.Tensor], Written, torch.Tensor, Recipe | None]] = {}
MARGIN = 1e-5
"""The distance that two close values must have, relative to the largest, for the device's own to be unequal for certain: 80 times what
one rounding of float32 may move a value by. CUDA documents errors of at most 2 roundings for ``logf`` and ``atanf``."""


@contextmanager
def with_versions() -> Iterator[None]:
    """Make ordinary tensors in the block: those of inference mode have no version, so changes could not be detected."""
    if torch.is_inference_mode_enabled():
        with torch.inference_mode(False), torch.no_grad():
            yield
    else:
        yield


def remember(schedule: torch.Tensor, host: torch.Tensor) -> None:
    """Keep ``host`` as the host copy of a schedule on the device."""
    if schedule.is_inference():
        return  # passed in by the caller of set_timesteps
    key, host_key = id(schedule), id(host)
    _copies[key] = (weakref.ref(schedule, functools.partial(_forget, key, _copies)), _written(schedule), host)
    reference = weakref.ref(host, functools.partial(_forget, host_key, _originals))
    _originals[host_key] = (reference, weakref.ref(schedule))


def remember_close(schedule: torch.Tensor, values: torch.Tensor, recipe: Recipe | None) -> None:
    """Keep values on the host that are close to those of a schedule on the device, and how the schedule was computed."""
    if not schedule.is_inference():
        key = id(schedule)
        reference = weakref.ref(schedule, functools.partial(_forget, key, _close))
        _close[key] = (reference, _written(schedule), values, recipe)


def close_values_of(schedule: Any) -> torch.Tensor | None:
    """Return host values that differ from a schedule's own in the last bits at most; None if none are known."""
    found = _close.get(id(schedule))
    return found[2] if found is not None and _is_still(schedule, found[0], found[1]) else None


def known_recipe_of(schedule: Any) -> Recipe | None:
    """Return how a schedule on the device was computed; None if that is not known."""
    found = _close.get(id(schedule))
    return found[3] if found is not None and _is_still(schedule, found[0], found[1]) else None


def _is_still(schedule: Any, noted: weakref.ref[torch.Tensor], written: Written) -> bool:
    kept = noted()
    return kept is not None and kept is schedule and written == _written(kept)


def has_distinct_values(schedule: Any) -> bool:
    """Return whether it is certain that all values of a schedule on the device are finite, and no two of them equal."""
    host = host_copy_of(schedule)
    values = close_values_of(schedule) if host is None else host
    if values is None or values.dim() != 1 or not bool(values.isfinite().all()):
        return False
    ordered = values.double().sort().values
    margin = MARGIN * float(ordered.abs().max()) if host is None and len(ordered) else 0.0
    return bool((ordered.diff() > margin).all())


def _written(tensor: torch.Tensor) -> Written:
    return tensor._version, tensor.data_ptr()


def _forget(key: int, kept: dict[int, Any], reference: object) -> None:
    """Drop a dead tensor. The dictionary is an argument, because module globals are cleared at interpreter exit."""
    kept.pop(key, None)


def host_copy_of(schedule: Any) -> torch.Tensor | None:
    """Return the host copy of a schedule, the schedule itself if it is on the host, or None if no copy is known."""
    if not isinstance(schedule, torch.Tensor):
        return None
    if schedule.is_cpu:  # faster than `device.type`, which makes a string each time
        return schedule
    found = _copies.get(id(schedule))
    if found is None or found[0]() is not schedule or found[1] != _written(schedule):
        return None
    return found[2]


def original_of(host: torch.Tensor) -> torch.Tensor | None:
    """Return the schedule on the device that a tensor is the host copy of; None if it is not one, or the schedule is dead."""
    found = _originals.get(id(host))
    return found[1]() if found is not None and found[0]() is host else None


def cache_for(tensor: Any) -> dict[Any, Any] | None:
    """Return the cache of results computed from a tensor of floats, which a write to the tensor clears.

    A write through numpy is not detected, so host values that a result depends on belong in its key, and so does the stream
    that it is computed on, `stream_of`.

    Returns:
        The cache; None where caching is unsafe: a write could not be detected, the tensor requires gradients, `may_be_kept`
        is false, or it is not a plain tensor of float32 or float64.
    """
    key = id(tensor)
    found = _notes.get(key)
    if found is None or found[0]() is not tensor:
        found = None
        if not is_ordinary(tensor) or tensor.dtype not in _EXACT or tensor.is_inference():
            return None
    if tensor.requires_grad or not may_be_kept(tensor):
        return None
    written = _written(tensor)
    if found is not None and found[1] == written and len(found[2]) < _MOST_NOTES:
        return found[2]
    notes: dict[Any, Any] = {}
    _notes[key] = (weakref.ref(tensor, functools.partial(_forget, key, _notes)), written, notes)
    return notes


def stream_of(tensor: torch.Tensor) -> int:
    """Return this thread's current stream on a tensor's device; 0 on the CPU."""
    return torch.cuda.current_stream(tensor.device).cuda_stream if tensor.is_cuda else 0
