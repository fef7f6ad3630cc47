"""Ratios of two choices, from rounds of blocks, with intervals and a verdict.

A round has two blocks of A and two of B, in the order A B B A or B A A B, so that a drift that is linear in time affects both
sums equally. It gives one ratio, time(A) / time(B), which is the unit of all statistics: the ratios of rounds are taken as
independent, the blocks in a round are not.

Two intervals of the median ratio:

* `bootstrap`, at 95 %: what is printed. It is too narrow when one looks at it repeatedly and stops when one likes it.
* `confidence_sequence`, at 95 % for all rounds together: it holds the median ratio at every round of the measurement with that
  probability, so that looking early and stopping is fair. Verdicts and stops use it. It inverts a sequential sign test: of n
  ratios, the number below the true median is binomial, and the likelihood ratio of the mixture of all other probabilities,
  2**n / ((n + 1) * C(n, k)), reaches 1 / alpha at any n with a probability of at most alpha (Ville's inequality). S. R. Howard
  and A. Ramdas, "Sequential estimation of quantiles with applications to A/B testing and best-arm identification", Bernoulli
  28(3), 2022; the mixture is that of H. Robbins, "Statistical methods related to the law of the iterated logarithm", 1970.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

ALPHA = 0.05
DRAWS = 2000

Outcome = Literal["faster", "slower", "no difference", "undecided"]


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``low`` to ``high``; 0 and infinity before anything is known."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Return whether a value is inside."""
        return self.low <= value <= self.high

    @property
    def width(self) -> float:
        """The largest relative difference of two values inside."""
        return self.high / self.low - 1 if self.low > 0 else math.inf


def bootstrap(ratios: Sequence[float], seed: int = 0) -> Interval:
    """Return the 95 % bootstrap interval of the median, by percentiles; `seed` makes it repeatable."""
    if len(ratios) < 2:
        return Interval(0.0, math.inf)
    draw = random.Random(seed)
    medians = sorted(median(draw.choices(ratios, k=len(ratios))) for _ in range(DRAWS))
    cut = round(DRAWS * ALPHA / 2)
    return Interval(medians[cut], medians[-cut - 1])


def confidence_sequence(ratios: Sequence[float], alpha: float = ALPHA) -> Interval:
    """Return the interval that holds the median at every round together with probability 1 - alpha; 8 ratios or more bound it."""
    number = len(ratios)
    excluded = -1
    while excluded + 1 < number / 2 and _evidence(number, excluded + 1) >= math.log(1 / alpha):
        excluded += 1
    if excluded < 0:
        return Interval(0.0, math.inf)
    ordered = sorted(ratios)
    return Interval(ordered[excluded], ordered[number - 1 - excluded])


def _evidence(number: int, below: int) -> float:
    """Return the logarithm of the likelihood ratio against a median with ``below`` of ``number`` ratios below it."""
    log_binomial = math.lgamma(number + 1) - math.lgamma(below + 1) - math.lgamma(number - below + 1)
    return number * math.log(2) - math.log(number + 1) - log_binomial


@dataclass(frozen=True, slots=True)
class Summary:
    """The ratios of one figure.

    Attributes:
        rounds: how many ratios there are.
        ratio: their median, time(A) / time(B); above 1, B is faster.
        interval: `bootstrap`.
        sequence: `confidence_sequence`.
    """

    rounds: int
    ratio: float
    interval: Interval
    sequence: Interval

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Summary:
        """Summarize ratios; one or more."""
        return cls(len(ratios), median(ratios), bootstrap(ratios), confidence_sequence(ratios))

    def outcome(self, smallest: float) -> Outcome:
        """Return whether B is faster or slower than A by more than ``smallest`` (0.01 is 1 %)."""
        if math.isinf(self.sequence.high):
            return "undecided"
        if self.sequence.low > 1 and self.ratio > 1 + smallest:
            return "faster"
        if self.sequence.high < 1 and self.ratio < 1 / (1 + smallest):
            return "slower"
        return "no difference"

    def verdict(self, a: str, b: str, what: str, smallest: float) -> str:
        """Return the outcome as a sentence."""
        low, high = self.interval.low, self.interval.high
        figures = f"{a}/{b} = {self.ratio:.3f}, 95 % interval {low:.3f} to {high:.3f}, {self.rounds} rounds"
        outcome = self.outcome(smallest)
        if outcome == "faster":
            return f"{what}: {b} is faster than {a} by {self.ratio - 1:.1%} ({figures})"
        if outcome == "slower":
            return f"{what}: {b} is slower than {a} by {1 / self.ratio - 1:.1%} ({figures})"
        if outcome == "undecided":
            return f"{what}: undecided after {self.rounds} rounds; 8 are the fewest that show anything"
        largest = max(self.sequence.high, 1 / self.sequence.low) - 1
        return f"{what}: no difference larger than {largest:.1%} seen ({figures})"
