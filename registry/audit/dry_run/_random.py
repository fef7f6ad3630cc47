"""Random numbers of dry runs with values: a generator of the device draws what one of the host with its seed draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_map

_STEP = 0x9E3779B97F4A7C15


@dataclass(slots=True)
class _Drawn:
    """The host's generator that stands in for one of the device, and where that one was after the last draw."""

    on_host: torch.Generator
    seed: int
    offset: int


_drawn: dict[int, _Drawn] = {}


def begin(values: Any) -> list[torch.Generator]:
    """Prepare the stand-ins for a draw with the generators in ``values``; one that was seeded or set since its last gets a new one."""
    generators = _generators(values)
    for generator in generators:
        seed, offset = generator.initial_seed(), generator.get_offset()
        found = _drawn.get(_key(generator))
        if found is None or (found.seed, found.offset) != (seed, offset):
            on_host = torch.Generator().manual_seed((seed + _STEP * offset) % 2**63)
            _drawn[_key(generator)] = _Drawn(on_host, seed, offset)
    return generators


def stand_in(generator: torch.Generator) -> torch.Generator:
    """Return the host's generator for a draw that has begun."""
    return _drawn[_key(generator)].on_host


def end(generators: list[torch.Generator]) -> None:
    """Note where the device's generators are after a draw."""
    for generator in generators:
        _drawn[_key(generator)].offset = generator.get_offset()


def _key(generator: Any) -> int:
    """The address of a generator, which every Python object for it has."""
    return int(generator._cdata)


def _generators(values: Any) -> list[torch.Generator]:
    found: list[torch.Generator] = []
    tree_map(lambda value: found.append(value) if isinstance(value, torch.Generator) and value.device.type == "cuda" else None, values)
    return found
