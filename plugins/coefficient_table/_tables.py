"""Where the coefficients of a schedule are kept, and how it is known that they are still right."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import torch

from syncfree.plugins.sync_free.scheduler_step import Coefficients, Point, Terms, content, current_stream

_SCHEDULES = 64


@dataclass(slots=True)
class Table:
    """What is known of one schedule; the keys hold everything but the sigmas that a value depends on.

    Attributes:
        points: of all sigmas, by how they are read.
        terms: of all positions, by order, phase and so on.
        coefficients: of one position, by the position and the same.
    """

    points: dict[Hashable, Point] = field(default_factory=dict)
    terms: dict[Hashable, Terms] = field(default_factory=dict)
    coefficients: dict[Hashable, Coefficients] = field(default_factory=dict)


_by_tensor: dict[int, tuple[weakref.ref[torch.Tensor], int, int, Table]] = {}


def table_of(sigmas: torch.Tensor, host: torch.Tensor | None, sample: torch.Tensor) -> Table | None:
    """The table of a schedule for samples like this one; None when a change of the sigmas could not be noticed.

    Sigmas whose values are known on the host are compared by content, so schedules that are equal share a table, whichever
    request or scheduler they belong to. Sigmas on the device cannot be read; their table belongs to that tensor at that
    version, and tensors made in inference mode, which have no version, get none. A table belongs to one stream: on another
    its scalars may not have been computed yet.
    """
    stream = current_stream(sample)
    values = sigmas if sigmas.is_cpu else host
    if values is not None:
        return _by_content(content(values), sigmas.dtype, sigmas.device, sample.device, stream)
    if sigmas.is_inference():
        return None
    key = id(sigmas)
    found = _by_tensor.get(key)
    if found is not None and found[0]() is sigmas and found[1:3] == (sigmas._version, stream):
        return found[3]
    table = Table()
    forget = functools.partial(_forget, key, _by_tensor)
    _by_tensor[key] = (weakref.ref(sigmas, forget), sigmas._version, stream, table)
    return table


def _forget(key: int, tables: dict[int, Any], reference: object) -> None:
    """Drop a dead tensor's table. It is given the dictionary, because the module's names are gone when the interpreter ends."""
    tables.pop(key, None)


@functools.lru_cache(maxsize=_SCHEDULES)
def _by_content(values: bytes, dtype: torch.dtype, placed: torch.device, device: torch.device, stream: int) -> Table:
    return Table()
