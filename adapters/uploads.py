"""The uploads and downloads of a scheduler while it makes a schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from syncfree.adapters.followed import Followed
from syncfree.adapters.recipes import recall, recipe_of_call
from syncfree.plugins.ordinary import is_ordinary, may_be_kept


class PinnedUploads(TorchFunctionMode):
    """Routes uploads through `schedule_upload`."""

    def __init__(self, upload: Callable[..., Any]) -> None:
        super().__init__()
        self._upload = upload

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._to(func, args, kwargs or {}) if func is torch.Tensor.to else func(*args, **(kwargs or {}))

    def _to(self, func: Any, args: Any, kwargs: Any) -> Any:
        source = args[0]
        if is_ordinary(source) and source.is_cpu and not source.requires_grad and "copy" not in kwargs:
            device, dtype, _, layout = torch._C._nn._parse_to(*args[1:], **kwargs)
            if device is not None and device.type == "cuda" and layout is None:
                return self._uploaded(source, device, dtype or source.dtype, lambda: func(*args, **kwargs))
        return func(*args, **kwargs)

    def _uploaded(self, source: torch.Tensor, device: torch.device, dtype: torch.dtype, upstream: Callable[[], Any]) -> Any:
        result = self._upload(source, device, dtype)
        return upstream() if result is NotImplemented else result


class Uploads(PinnedUploads):
    """Routes uploads through `schedule_upload`, and follows on the host what is computed from them on the device.

    A download of what is known on the host is not made. One of what was computed in another way is made once, and its result
    serves every later download of the same: see `recipes`.

    Attributes:
        followed: what is known of tensors on the device.
    """

    def __init__(self, upload: Callable[..., Any]) -> None:
        super().__init__(upload)
        self.followed = Followed()
        self._special: dict[Callable[..., Any], Callable[..., Any]] = {
            torch.Tensor.to: self._to,
            torch.Tensor.cpu: self._download,
            torch.Tensor.unbind: self._unbind,
            torch.Tensor.__setitem__: self._set,
            torch.full: self._full,
            torch.tensor: self._tensor,
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        routed = self._special.get(func)
        return self._done(func, args, kwargs or {}) if routed is None else routed(func, args, kwargs or {})

    def _done(self, func: Any, args: Any, kwargs: Any) -> Any:
        result = func(*args, **kwargs)
        self.followed.follow(func, args, kwargs, result)
        return result

    def _to(self, func: Any, args: Any, kwargs: Any) -> Any:
        if self.followed.of(args[0]) is None:
            return super()._to(func, args, kwargs)  # nothing follows from what is not known
        device, dtype, _, layout = torch._C._nn._parse_to(*args[1:], **{k: v for k, v in kwargs.items() if k != "copy"})
        if device is not None and device.type == "cpu" and dtype in (None, args[0].dtype) and layout is None:
            return self._download(func, args, kwargs)
        return self._done(func, args, kwargs)

    def _uploaded(self, source: torch.Tensor, device: torch.device, dtype: torch.dtype, upstream: Callable[[], Any]) -> Any:
        result = super()._uploaded(source, device, dtype, upstream)
        self.followed.note(result, host=source.to(dtype, copy=True))
        return result

    def _download(self, func: Any, args: Any, kwargs: Any) -> Any:
        known = self.followed.of(args[0])
        if known is not None and known.host is not None:
            return known.host.clone()
        if known is not None and known.recipe is not None and may_be_kept(args[0]):
            return recall(known.recipe, lambda: func(*args, **kwargs))
        return func(*args, **kwargs)

    def _tensor(self, func: Any, args: Any, kwargs: Any) -> Any:
        """`torch.tensor`: numbers are uploaded; scalars that are on the device are put together there."""
        data, device, dtype = args[0] if args else None, kwargs.get("device"), kwargs.get("dtype")
        if not isinstance(data, (list, tuple)) or not data or set(kwargs) - {"device", "dtype"}:
            return func(*args, **kwargs)
        if device is None and torch.get_default_device().type != "cpu":
            return func(*args, **kwargs)
        target = torch.device("cpu" if device is None else device)
        if target.type == "cuda" and all(isinstance(one, (int, float)) for one in data):
            values = torch.tensor(data, dtype=dtype, device="cpu")
            return self._uploaded(values, target, values.dtype, lambda: func(*args, **kwargs))
        if not all(is_ordinary(one) and one.is_cuda and not one.dim() and not one.requires_grad for one in data):
            return func(*args, **kwargs)
        if {(one.dtype, one.device) for one in data} != {(dtype or data[0].dtype, data[0].device)}:
            return func(*args, **kwargs)
        if target.type == "cuda" and target.index in (None, data[0].device.index):
            return self._done(torch.stack, (list(data),), {})
        if target.type == "cpu":
            return self._download(torch.Tensor.cpu, (self._done(torch.stack, (list(data),), {}),), {})
        return func(*args, **kwargs)

    def _full(self, func: Any, args: Any, kwargs: Any) -> Any:
        """`torch.full`, which reads a value that is a tensor."""
        on_host = self.followed.on_host
        return self._done(func, tuple(map(on_host, args)), {name: on_host(value) for name, value in kwargs.items()})

    def _unbind(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return what iterating over a tensor calls: its elements are known as it is."""
        elements, known = func(*args, **kwargs), self.followed.of(args[0])
        if known is not None and args[1:] in ((), (0,)) and not kwargs:
            for place, element in enumerate(elements):
                host, close = (one if one is None else one[place] for one in (known.host, known.close))
                recipe = recipe_of_call("__getitem__", (args[0], place), {}, element, self.followed.recipe)
                self.followed.note(element, host=host, close=close, recipe=recipe)
        return elements

    def _set(self, func: Any, args: Any, kwargs: Any) -> None:
        """``tensor[index] = number``, which releases of torch before 2.15 upload: it is written by a kernel instead."""
        tensor, index, value = args
        plain = is_ordinary(tensor) and tensor.is_cuda and tensor.is_floating_point() and not tensor.requires_grad
        if not plain or type(value) not in (int, float) or type(index) not in (int, slice):
            func(*args, **kwargs)
            return
        known = self.followed.of(tensor)
        recipe = None if known is None else recipe_of_call("__setitem__", args, {}, tensor, self.followed.recipe)
        tensor[index].fill_(value)
        if known is not None:
            host = known.host if known.host is None else known.host.clone()
            if host is not None:
                host[index] = value
            self.followed.note(tensor, host=host, recipe=recipe)
