"""The host's knowledge of tensors on the device: their values, values close to them, or how they were computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from syncfree.adapters.host_copies import close_values_of, host_copy_of, known_recipe_of, remember, remember_close
from syncfree.adapters.recipes import Recipe, recall, recipe_of_call, recipe_of_values
from syncfree.plugins.ordinary import is_ordinary, may_be_kept

_COPIES = frozenset(
    {"__getitem__", "cat", "flatten", "flip", "float", "full", "mul", "ones", "repeat_interleave", "reshape", "roll", "stack"}
    | {"to", "zeros"}
)
"""Operations with bitwise the same results on every device: a copy, or one rounding as IEEE 754 defines it."""
_CLOSE = frozenset({"atan", "div", "float", "linspace", "log", "mul"})
"""Operations whose results differ between devices in the last bits only, however large their operands are."""
_FLOATS = (torch.float32, torch.float64)


class _Known(NamedTuple):
    tensor: torch.Tensor  # kept, so that its id stays its own
    version: int
    host: torch.Tensor | None = None
    close: torch.Tensor | None = None
    recipe: Recipe | None = None


class Followed:
    """Tensors on the device, each as it was when something became known of it: a write to it makes that void."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, value: Any) -> _Known | None:
        """Return what is known of a value."""
        known = self._known.get(id(value))
        return None if known is None or known.version != value._version else known

    def note(self, tensor: Any, **known: Any) -> None:
        """Note what is known of a tensor from now on."""
        if is_ordinary(tensor) and not tensor.is_inference():  # inference tensors have no version to detect writes with
            self._known[id(tensor)] = _Known(tensor, tensor._version, **known)

    def on_host(self, value: Any) -> Any:
        """Return the host copy of a value; the value itself if it has none."""
        if isinstance(value, (list, tuple)):
            return type(value)(self.on_host(item) for item in value)
        known = self.of(value)
        return value if known is None or known.host is None else known.host

    def recipe(self, value: torch.Tensor) -> Recipe | None:
        """Return how a tensor was computed, None if that is not known."""
        known = self.of(value)
        if known is None:
            return None
        return known.recipe if known.host is None else recipe_of_values(known.host)

    def keep(self, schedule: Any) -> None:
        """Remember what is known of a schedule, as long as it is not written to."""
        known = self.of(schedule)
        if known is not None and known.host is not None:
            remember(schedule, known.host)
        elif known is not None and known.close is not None:
            remember_close(schedule, known.close, known.recipe)

    def keep_read(self, schedule: Any) -> None:
        """Remember the values of a schedule that was computed on the device: read once for each way to compute it, `recall`."""
        known = self.of(schedule)
        if known is not None and known.host is None and known.recipe is not None and may_be_kept(schedule):
            remember(schedule, recall(known.recipe, schedule.cpu))
        else:
            self.keep(schedule)

    def adopt(self, schedule: Any) -> None:
        """Follow a schedule that was kept."""
        host, close = host_copy_of(schedule), close_values_of(schedule)
        self.note(schedule, host=host, close=close, recipe=known_recipe_of(schedule))

    def follow(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Note what follows for the result of an operation from what is known of its operands."""
        if not is_ordinary(result) or not result.is_cuda or result.requires_grad:
            return
        name = getattr(func, "__name__", "")
        host = self._repeated(func, args, kwargs, self.on_host, result) if name in _COPIES else None
        close, recipe = None, None
        if host is None and name in _CLOSE and result.dtype in _FLOATS:
            close = self._repeated(func, args, kwargs, self._close, result)
        if host is None:
            recipe = recipe_of_call(name, args, kwargs, result, self.recipe)
        if host is not None or close is not None or recipe is not None:
            self.note(result, host=host, close=close, recipe=recipe)

    def _close(self, value: Any) -> Any:
        known = self.of(value)
        return self.on_host(value) if known is None or known.close is None else known.close

    def _repeated(
        self, func: Any, args: Any, kwargs: Any, on_host: Callable[[Any], Any], result: torch.Tensor
    ) -> torch.Tensor | None:
        """Do on the host what was done on the device; None where an operand is not known."""
        args = [on_host(value) for value in args]
        if any(isinstance(value, torch.Tensor) and not value.is_cpu for value in (*_flat(args), *kwargs.values())):
            return None
        kwargs = {**kwargs, "device": "cpu"} if "device" in kwargs else kwargs
        if func is torch.Tensor.to:
            _, dtype, *_ = torch._C._nn._parse_to(*args[1:], **{k: v for k, v in kwargs.items() if k != "copy"})
            if not _converts_alike(args[0], dtype):
                return None
            args, kwargs = [args[0], dtype or args[0].dtype], {}
        host: torch.Tensor = func(*args, **kwargs)
        return host if host.is_cpu and host.dtype is result.dtype else None


def _converts_alike(values: Any, dtype: torch.dtype | None) -> bool:
    """Return whether all devices convert the values alike; they differ for values outside an integer type's range."""
    if dtype is None or dtype.is_floating_point or dtype.is_complex or not values.is_floating_point():
        return True
    return bool((values.abs() < 2**31).all()) and (dtype in (torch.int32, torch.int64) or values.numel() == 0)


def _flat(values: list[Any]) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, (list, tuple)) else (value,))]
