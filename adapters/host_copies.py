"""Host copies of schedules on the device.

The scheduler's own ``timesteps`` and ``sigmas`` are not changed or moved. The copies are kept by weak reference, so they are
dropped with the tensor, and with the tensor's version and address, so a write makes them stale. A write through ``.data`` or
by a kernel that torch does not know is not detected.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from syncfree.plugins.ordinary import is_ordinary, may_be_kept

_EXACT = frozenset({torch.float32, torch.float64})
"""Autocast does not change float64 and converts smaller types to float32, so these are the same under it."""
Written = tuple[int, int]
"""A tensor's version and address, which change when it is written to, or gets other memory."""
_copies: dict[int, tuple[weakref.ref[torch.Tensor], Written, torch.Tensor]] = {}
_MOST_NOTES = 4096
_notes: dict[int, tuple[weakref.ref[torch.Tensor], Written, dict[Any, Any]]] = {}
_originals: dict[int, tuple[weakref.ref[torch.Tensor], weakref.ref[torch.Tensor]]] = {}

_SHADOWED = frozenset(
    {"__getitem__", "cat", "flatten", "flip", "full", "mul", "ones", "repeat_interleave", "reshape", "stack", "to", "zeros"}
)
"""Operations with bitwise the same results on every device: a copy, or one rounding as IEEE 754 defines it."""


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


class Uploads(TorchFunctionMode):
    """Routes uploads through `schedule_upload`, and repeats on the host what is computed from them on the device."""

    def __init__(self, upload: Callable[..., Any]) -> None:
        super().__init__()
        self._upload = upload
        self._shadows: dict[int, tuple[torch.Tensor, int, torch.Tensor]] = {}  # the result is kept, so its id stays its own

    def shadow(self, value: Any) -> Any:
        """Return the host copy of a value; the value itself if it has none."""
        if isinstance(value, (list, tuple)):
            return type(value)(self.shadow(item) for item in value)
        known = self._shadows.get(id(value))
        return value if known is None or known[1] != value._version else known[2]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.Tensor.to:
            if is_ordinary(args[0]) and args[0].is_cpu and not args[0].requires_grad and "copy" not in kwargs:
                return self._to(func, args, kwargs)
            if self._is_download(args, kwargs):
                return self.shadow(args[0]).clone()
        result = func(*args, **kwargs)
        if self._shadows and is_ordinary(result) and result.is_cuda and getattr(func, "__name__", "") in _SHADOWED:
            self._follow(func, args, kwargs, result)
        return result

    def _to(self, func: Any, args: Any, kwargs: Any) -> Any:
        source = args[0]
        device, dtype, _, layout = torch._C._nn._parse_to(*args[1:], **kwargs)
        if device is None or device.type != "cuda" or layout is not None:
            return func(*args, **kwargs)
        dtype = dtype or source.dtype
        result = self._upload(source, device, dtype)
        if result is NotImplemented:
            result = func(*args, **kwargs)
        self._note(result, source.to(dtype, copy=True))
        return result

    def _is_download(self, args: Any, kwargs: Any) -> bool:
        """Return whether the call downloads a tensor with a known host copy, without changing its dtype."""
        if self.shadow(args[0]) is args[0]:
            return False
        device, dtype, _, layout = torch._C._nn._parse_to(*args[1:], **{k: v for k, v in kwargs.items() if k != "copy"})
        return device is not None and device.type == "cpu" and dtype in (None, args[0].dtype) and layout is None

    def _follow(self, func: Any, args: Any, kwargs: Any, result: torch.Tensor) -> None:
        host_args = [self.shadow(value) for value in args]
        if any(isinstance(value, torch.Tensor) and not value.is_cpu for value in _flat(host_args)):
            return  # an operand has no host copy
        host_kwargs = {**kwargs, "device": "cpu"} if "device" in kwargs else kwargs
        if func is torch.Tensor.to:
            _, dtype, *_ = torch._C._nn._parse_to(*args[1:], **kwargs)
            if not _converts_alike(host_args[0], dtype):
                return
            host_args, host_kwargs = [host_args[0], dtype or host_args[0].dtype], {}
        host = func(*host_args, **host_kwargs)
        if host.is_cpu:
            self._note(result, host)

    def _note(self, result: torch.Tensor, host: torch.Tensor) -> None:
        if is_ordinary(result) and not result.is_inference():  # inference tensors have no version to detect writes with
            self._shadows[id(result)] = result, result._version, host


def _converts_alike(values: Any, dtype: torch.dtype | None) -> bool:
    """Return whether all devices convert the values alike; they differ for values outside an integer type's range."""
    if dtype is None or dtype.is_floating_point or dtype.is_complex or not values.is_floating_point():
        return True
    return bool((values.abs() < 2**31).all()) and (dtype in (torch.int32, torch.int64) or values.numel() == 0)


def _flat(values: list[Any]) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, (list, tuple)) else (value,))]
