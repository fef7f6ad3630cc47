"""The design of a comparison: the order of the blocks, and the rule to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

from ._statistics import confidence_sequence

Block = dict[str, float]
"""Figures of one block, in seconds: ``host``, ``cpu``, ``device`` and ``step`` per call, and ``control``."""

FEWEST = 8
"""Rounds before a stop; with fewer, `_statistics.confidence_sequence` knows nothing."""

CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Design:
    """The parameters of a comparison.

    Attributes:
        block_seconds: how long a block lasts, about.
        warm_up: calls after each switch that are not measured.
        equal_rounds: rounds of A against A, made first.
        most_rounds: rounds of A against B, at most.
        budget_seconds: the time for all of it, at most.
        precision: stop when the interval of the ratio is this narrow (0.02: its ends differ by 2 %).
        smallest: smaller differences are called no difference.
        figure: the figure that decides about the stop.
    """

    block_seconds: float = 0.05
    warm_up: int = 3
    equal_rounds: int = 10
    most_rounds: int = 200
    budget_seconds: float = 120.0
    precision: float = 0.02
    smallest: float = 0.01
    figure: str = "host"

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters as JSON-serializable data."""
        return asdict(self)

    def enough(self, rounds: Sequence[Round]) -> bool:
        """Return whether the interval of the figure that decides is narrow enough."""
        ratios = ratios_of(rounds, self.figure)
        return len(ratios) >= FEWEST and confidence_sequence(ratios).width <= self.precision


@dataclass(frozen=True, slots=True)
class Round:
    """Two blocks of each side."""

    a: tuple[Block, Block]
    b: tuple[Block, Block]

    def ratio(self, figure: str) -> float | None:
        """Return time(A) / time(B) of a figure; None where a block does not have it."""
        blocks = (*self.a, *self.b)
        if not all(block.get(figure, 0) > 0 for block in blocks):
            return None
        return sum(block[figure] for block in self.a) / sum(block[figure] for block in self.b)


def order_of(number: int) -> str:
    """Return the sides of a round's blocks: the rounds alternate, too."""
    return "ABBA" if number % 2 == 0 else "BAAB"


def round_of(order: str, blocks: Sequence[Block]) -> Round:
    """Return a round from its four blocks in the order in which they were made."""
    a = [block for side, block in zip(order, blocks, strict=True) if side == "A"]
    b = [block for side, block in zip(order, blocks, strict=True) if side == "B"]
    return Round((a[0], a[1]), (b[0], b[1]))


def ratios_of(rounds: Sequence[Round], figure: str) -> list[float]:
    """Return the ratios of a figure, of the rounds that have it."""
    return [ratio for each in rounds if (ratio := each.ratio(figure)) is not None]


def figures_of(rounds: Sequence[Round]) -> list[str]:
    """Return the names of the figures in these rounds, in order."""
    return list(dict.fromkeys(name for each in rounds for block in (*each.a, *each.b) for name in block))


def run_rounds(
    block: Callable[[str], Block],
    most: int,
    ends: float,
    enough: Callable[[Sequence[Round]], bool],
    progress: Callable[[int], None],
) -> tuple[list[Round], str]:
    """Make rounds until there are enough of them, ``most``, or the time is up; return them, and why it stopped.

    Args:
        block: makes a block of a side.
        most: rounds, at most.
        ends: the time of `time.perf_counter` after which no round begins.
        enough: whether the rounds so far are enough.
        progress: called with the number of rounds after each.
    """
    rounds: list[Round] = []
    while len(rounds) < most:
        if enough(rounds):
            return rounds, "the interval is narrow enough"
        if perf_counter() > ends:
            return rounds, "the time is up"
        order = order_of(len(rounds))
        rounds.append(round_of(order, [block(side) for side in order]))
        progress(len(rounds))
    return rounds, "all rounds are made"


def control() -> float:
    """Return the seconds of a fixed piece of work, which no choice can affect: it shows a drift of the machine."""
    start = perf_counter()
    total = 0
    for number in range(20_000):
        total += number
    return perf_counter() - start
