"""A against B on the same work, in one run.

Blocks of A and B alternate, so that drift of the machine affects both equally. Every pair of neighbouring blocks gives one
ratio, and the interval is a bootstrap over the pairs. The order within pairs alternates, too.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from . import _api


@dataclass(frozen=True, slots=True)
class Comparison:
    """The times of A and B.

    Attributes:
        a, b: the choices.
        seconds_a, seconds_b: seconds per run, one figure per block.
        ratio: median over pairs of time(A) / time(B); above 1, B is faster.
        low, high: 95 % bootstrap interval of the ratio.
    """

    a: str
    b: str
    seconds_a: tuple[float, ...]
    seconds_b: tuple[float, ...]
    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.a} {median(self.seconds_a) * 1e6:.1f} us, {self.b} {median(self.seconds_b) * 1e6:.1f} us: "
            f"ratio {self.ratio:.3f} (95 % interval {self.low:.3f} to {self.high:.3f}, {len(self.seconds_a)} pairs)"
        )


def compare(
    run: Callable[[], Any],
    *,
    a: str = "upstream",
    b: str,
    hooks: tuple[str, ...],
    pairs: int = 20,
    runs_per_block: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    all_ranks: bool = False,
) -> Comparison:
    """Run the same work under choice ``a`` and choice ``b`` of some hooks, in alternating blocks.

    Args:
        run: the work. It must be repeatable, and synchronize the device itself if the device's time is to be measured.
        a: the choice to compare with: a plugin name, or ``"upstream"``.
        b: the other choice.
        hooks: the hooks to switch.
        pairs: how many pairs of blocks are measured, after one warm-up block of each side.
        runs_per_block: calls of ``run`` in a block.
        clock: returns seconds; ``time.process_time`` leaves out the time of other processes.
        all_ranks: see `syncfree.use`.

    Raises:
        SelectionError: see `syncfree.use`.
        ValueError: fewer than two pairs or one run per block.
    """
    if pairs < 2 or runs_per_block < 1:
        raise ValueError(f"pairs={pairs} and runs_per_block={runs_per_block}: at least 2 and 1 are needed")

    def block(choice: str) -> float:
        with _api.use(all_ranks=all_ranks, **dict.fromkeys(hooks, choice)):
            start = clock()
            for _ in range(runs_per_block):
                run()
            return (clock() - start) / runs_per_block

    block(a)
    block(b)
    seconds: dict[str, list[float]] = {"a": [], "b": []}
    for pair in range(pairs):
        for side in ("a", "b") if pair % 2 == 0 else ("b", "a"):
            seconds[side].append(block(a if side == "a" else b))
    return summarize(a, b, seconds["a"], seconds["b"])


def summarize(a: str, b: str, seconds_a: list[float], seconds_b: list[float], seed: int = 0) -> Comparison:
    """Return the comparison of paired measurements."""
    ratios = [x / y for x, y in zip(seconds_a, seconds_b, strict=True)]
    draw = random.Random(seed)
    medians = sorted(median(draw.choices(ratios, k=len(ratios))) for _ in range(2000))
    low, high = medians[50], medians[-51]
    return Comparison(a, b, tuple(seconds_a), tuple(seconds_b), median(ratios), low, high)
