"""The plots of a report, as inline SVG without text, so that they may be scaled to any width."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ._statistics import Outcome, Summary

_COLOURS: dict[Outcome, str] = {"faster": "#1e8449", "slower": "#c0392b", "no difference": "#566573", "undecided": "#aab7b8"}
_INK = "#1c2833"
_DOT = "#2471a3"
_FIXED = 'vector-effect="non-scaling-stroke"'


def bar(summary: Summary, outcome: Outcome, low: float, high: float) -> str:
    """Draw the intervals of a ratio on an axis from ``low`` to ``high``."""

    def x(ratio: float) -> float:
        return round(1000 * (min(max(ratio, low), high) - low) / (high - low), 1)

    def vertical(ratio: float, colour: str, width: int, top: int, bottom: int) -> str:
        return f'<path d="M{x(ratio)} {top}V{bottom}" stroke="{colour}" stroke-width="{width}" {_FIXED}/>'

    colour, interval, sequence = _COLOURS[outcome], summary.interval, summary.sequence
    width = max(x(interval.high) - x(interval.low), 1)
    return (
        '<svg viewBox="0 0 1000 40" height="24" preserveAspectRatio="none" aria-hidden="true">'
        f"{vertical(1.0, _INK, 1, 0, 40)}"
        f'<path d="M{x(sequence.low)} 20H{x(sequence.high)}" stroke="{colour}" stroke-width="2" {_FIXED}/>'
        f'<rect x="{x(interval.low)}" width="{width}" y="11" height="18" fill="{colour}" fill-opacity=".55"/>'
        f"{vertical(summary.ratio, colour, 3, 4, 36)}</svg>"
    )


def dots(ratios: Sequence[float]) -> tuple[str, float, float]:
    """Draw ratios in the order of time, logarithmically; return the plot and the ends of its axis, set by 1 and the middle 90 %."""
    ordered = sorted(ratios)
    cut = len(ordered) // 20
    low, high = min(max(ordered[cut], 1e-6), 1.0), max(ordered[-1 - cut], 1.0)  # a ratio of 0 has no logarithm
    room = max((high / low) ** 0.1, 1.005)
    low, high = low / room, high * room

    def y(ratio: float) -> float:
        return round(100 - 100 * math.log(min(max(ratio, low), high) / low) / math.log(high / low), 1)

    step = 1000 / len(ratios)
    drawn = "".join(f'<path d="M{step * (index + 0.5):.1f} {y(ratio)}h.01" {_FIXED}/>' for index, ratio in enumerate(ratios))
    plot = (
        '<svg viewBox="0 0 1000 100" height="110" preserveAspectRatio="none" role="img" aria-label="ratio of each round">'
        f'<path d="M0 {y(1.0)}H1000" stroke="{_INK}" stroke-width="1" {_FIXED}/>'
        f'<g stroke="{_DOT}" stroke-width="6" stroke-linecap="round">{drawn}</g></svg>'
    )
    return plot, low, high
