"""The operations of PyTorch's own test of `torch.cuda.set_sync_debug_mode` (`test_torch.py::test_sync_warning`), written anew."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

X = torch.rand(4).cuda()  # made on the host: this module is imported before a dry run computes values
NUMBER = torch.rand(()).cuda()
INDEX_ON_HOST = torch.tensor([0, 2, 3])
INDEX = INDEX_ON_HOST.cuda()
REPEATS = torch.tensor([2]).cuda()
MASK_ON_HOST = torch.tensor([True, False, True, True])
MASK = MASK_ON_HOST.cuda()


def _store(key: torch.Tensor, value: object) -> None:
    X[key] = value  # type: ignore[assignment]


FREE: dict[str, Callable[[], object]] = {
    "x[mask] = 1.": lambda: _store(MASK, 1.0),
    "x[cpu_mask] = cuda0d": lambda: _store(MASK_ON_HOST, NUMBER),
    "x[index] = cuda0d": lambda: _store(INDEX, NUMBER),
    "x[index]": lambda: X[INDEX],
    "one_hot(index, num_classes=4)": lambda: functional.one_hot(INDEX, num_classes=4),
    "randperm(20000)": lambda: torch.randperm(20000, device="cuda"),
    "repeat_interleave(x, 2, output_size=8)": lambda: torch.repeat_interleave(X, 2, output_size=8),
    "repeat_interleave(x, repeats, output_size=8)": lambda: torch.repeat_interleave(X, REPEATS, output_size=8),
    "any(cuda0d)": lambda: torch.any(NUMBER),
}
"""The operations of which PyTorch's test expects no wait."""

WAITS: dict[str, Callable[[], object]] = {
    "x[mask] = cuda0d": lambda: _store(MASK, NUMBER),
    "x[cpu_index] = cuda0d": lambda: _store(INDEX_ON_HOST, NUMBER),
    "x[mask]": lambda: X[MASK],
    "x[cpu_index]": lambda: X[INDEX_ON_HOST],
    "x.nonzero()": lambda: X.nonzero(),
    "if cuda0d": lambda: bool(NUMBER),
    "one_hot(index)": lambda: functional.one_hot(INDEX),
    "repeat_interleave(x, repeats)": lambda: torch.repeat_interleave(X, REPEATS),
}
"""The operations of which it expects one."""

CASES = FREE | WAITS
