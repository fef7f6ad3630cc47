"""Uploads and stores of Python numbers that upstream's own code makes, routed through ``sampling_parameters``."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_EXACT = 1 << 24
"""Up to here float32 holds every integer, so that it does not matter through which type one is converted."""


def with_numbers_uploaded(upload: Callable[..., Any], function: Callable[..., Any], *arguments: Any) -> Any:
    """Call upstream's function with what it uploads and stores routed through `upload`."""
    routed = NumbersOnDevice(upload)
    with routed:
        result = function(*arguments)
    routed.store_all()
    return result


class NumbersOnDevice(TorchFunctionMode):
    """Routes ``torch.tensor(numbers, device="cuda")`` and ``matrix[row, column] = number``.

    Stores into a matrix on the device are collected, and made together before anything else happens, or by `store_all`.
    """

    def __init__(self, upload: Callable[..., Any]) -> None:
        super().__init__()
        self._upload = upload
        self._matrix: Any = None
        self._stores: dict[tuple[int, int], float] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.Tensor.__setitem__ and self._collected(*args):
            return None
        # A matrix with stores that are pending is read or written in another way, or the next one begins.
        self.store_all()
        return self._tensor(func, args, kwargs) if func is torch.tensor else func(*args, **kwargs)

    def _tensor(self, func: Any, args: Any, kwargs: Any) -> Any:
        given = dict(zip(("data",), args, strict=False)) | kwargs
        data, dtype, device = given.get("data"), given.get("dtype"), torch.device(given.get("device") or "cpu")
        routed = (
            set(given) <= {"data", "dtype", "device"}
            and dtype is not None
            and device.type == "cuda"
            and isinstance(data, list)
            and all(isinstance(one, (int, float)) for one in data)
        )
        result = self._upload(data, dtype, device) if routed else NotImplemented
        return func(*args, **kwargs) if result is NotImplemented else result

    def _collected(self, matrix: Any, key: Any, value: Any) -> bool:
        """Take a store to make later. Not one that upstream refuses, nor one that float32 may round in another way."""
        if not (isinstance(key, tuple) and len(key) == matrix.dim() == 2 and matrix.dtype is torch.float32):
            return False
        if not (matrix.is_cuda and matrix.is_contiguous()):
            return False
        if not all(type(at) is int and -size <= at < size for at, size in zip(key, matrix.shape, strict=True)):
            return False
        if type(value) not in (int, float) or not (abs(value) <= _EXACT or abs(value) == inf):
            return False
        if matrix is not self._matrix:
            self.store_all()
            self._matrix = matrix
        row, column = (at % size for at, size in zip(key, matrix.shape, strict=True))
        self._stores[row, column] = value
        return True

    def store_all(self) -> None:
        """Make the stores that were collected."""
        if not self._stores:
            return
        matrix, stores = self._matrix, self._stores
        self._matrix, self._stores = None, {}
        # One list of flat indices: an upload for the places, one for the values.
        places = self._upload([row * matrix.shape[1] + column for row, column in stores], torch.int64, matrix.device)
        values = self._upload(list(stores.values()), torch.float32, matrix.device)
        if places is NotImplemented or values is NotImplemented:
            for (row, column), value in stores.items():
                matrix[row, column] = value
        else:
            matrix.view(-1).index_put_((places,), values)
