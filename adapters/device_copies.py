"""Copies on the device of what a scheduler keeps on the host, uploaded once and not at every use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from syncfree.adapters.host_copies import cache_for, stream_of, with_versions
from syncfree.plugins.ordinary import content, may_be_kept


def device_copy(values: Any, beside: torch.Tensor, upload: Callable[..., Any]) -> torch.Tensor | None:
    """Return a copy of values on the host, on the device of another tensor; for every call with these values the same.

    Args:
        values: a CPU tensor of float32 or float64, any shape. A write to it, also through numpy, makes a new copy.
        beside: a tensor on the device, used on the current stream.
        upload: an implementation of `schedule_upload`.

    Returns:
        The copy, which must not be changed; None where it cannot be kept (a captured graph, tracing) or is not uploaded.
    """
    cache = cache_for(values)
    if cache is None or not values.is_cpu or not may_be_kept(beside):
        return None
    key = ("on the device", beside.device, stream_of(beside), content(values))
    copy: torch.Tensor | None = cache.get(key)
    if copy is None:
        with with_versions():
            made = upload(values, beside.device, values.dtype)
        if made is NotImplemented:
            return None
        copy = cache[key] = made
    return copy
