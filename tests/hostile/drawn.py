"""Situations drawn by hypothesis, always the same ones, so that each is a test of its own with a name."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T", bound=Hashable)


def drawn(strategy: SearchStrategy[T], number: int) -> list[T]:
    """Draw this many different examples."""
    found: dict[T, None] = {}

    @settings(
        max_examples=20 * number,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(example: T) -> None:
        if len(found) < number:
            found.setdefault(example)

    draw()
    assert len(found) == number, f"only {len(found)} of {number} situations are different"
    return list(found)
