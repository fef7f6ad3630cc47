"""The page of ``syncfree report``: one HTML file without scripts or other files, for a narrow window, a wide one, and paper."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ._comparison import FIGURES, Comparison, Part
from ._design import CONTROL, ratios_of
from ._plots import bar, dots
from ._statistics import Outcome, Summary

_STYLE = """
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:1100px;padding:1em;color:#1c2833;background:#fff}
h1{font-size:1.5em;line-height:1.2}h2{font-size:1.2em;margin:2em 0 .3em;overflow-wrap:anywhere}h3{font-size:1em;margin:1em 0 .2em}
p{margin:.4em 0;overflow-wrap:anywhere}svg{display:block;width:100%}.note{color:#566573;font-size:.9em}.doubt{color:#922b21;font-weight:600}
.row{display:flex;flex-wrap:wrap;align-items:center;border-bottom:1px solid #d5d8dc;padding:.35em 0}
.name{flex:1 1 260px;padding-right:1em;overflow-wrap:anywhere}.bar{flex:2 1 260px;min-width:0}
.value{flex:1 1 180px;text-align:right;font-variant-numeric:tabular-nums}
.axis{display:flex;justify-content:space-between;font-size:.8em;color:#566573}
.outcome{white-space:nowrap}.faster{color:#196f3d;font-weight:600}.slower{color:#922b21;font-weight:600}
dl{display:grid;grid-template-columns:minmax(6em,max-content) 1fr;gap:.1em 1em;margin:.5em 0;font-size:.9em}
dt{color:#566573}dd{margin:0;overflow-wrap:anywhere}
@media print{body{max-width:none;padding:0;font-size:11px}h2{break-after:avoid}.row,dl,.plot{break-inside:avoid}}
"""
_SHOWN = 20


def page(comparisons: Sequence[Comparison]) -> str:
    """Return the whole page; comparisons of the same hook and choices are side by side, in the order of time."""
    groups: dict[tuple[str, str, str], list[Comparison]] = {}
    for comparison in sorted(comparisons, key=lambda each: each.when):
        groups.setdefault((comparison.hook, comparison.a, comparison.b), []).append(comparison)
    title = f"syncfree: {len(comparisons)} comparison{'s' if len(comparisons) != 1 else ''}"
    body = "".join(_group(*key, found) for key, found in sorted(groups.items()))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>"
        "<p class=note>A bar is the 95 % bootstrap interval of time(A) / time(B), its tick the median, the thin line the confidence "
        "sequence that decides the verdict. Right of 1, B is faster. Each dot below is a round of four blocks. These are times "
        "on the machine named, with the inputs or the load named; they do not show others.</p>"
        f"{body}</html>\n"
    )


def _group(hook: str, a: str, b: str, comparisons: Sequence[Comparison]) -> str:
    rows = [
        (_label(comparison, part, len(comparisons)), name, summary, summary.outcome(comparison.design.smallest))
        for comparison in comparisons
        for part in comparison.parts
        for name, summary in part.summaries().items()
    ]
    low, high = _range(summary for _, _, summary, _ in rows)
    drawn = "".join(
        _row(f"{escape(FIGURES.get(name, name))}{label}", bar(summary, outcome, low, high), _value(name, summary, outcome))
        for label, name, summary, outcome in rows
    )
    axis = _row("", f'<div class="axis"><span>{low:.2f}</span><span>{high:.2f}</span></div>', "")
    return (
        f"<h2>{escape(hook)}: A = {escape(a)}, B = {escape(b)}</h2>{drawn}{axis}"
        + "".join(_details(comparison) for comparison in comparisons)
    )


def _row(name: str, drawn: str, value: str) -> str:
    return f'<div class="row"><div class="name">{name}</div><div class="bar">{drawn}</div><div class="value">{value}</div></div>'


def _label(comparison: Comparison, part: Part, number: int) -> str:
    """Return what tells a row from others: its comparison, where there are several, and its process, where there are several."""
    named = [f"{name} {version}" for name, version in comparison.versions.items() if name not in ("python", "triton")]
    of_comparison = [comparison.when, *named] if number > 1 else []
    of_part = [part.name] if len(comparison.parts) > 1 else []
    said = ", ".join([*of_comparison[:1], *of_part, *of_comparison[1:]])
    return f'<div class="note">{escape(said)}</div>' if said else ""


def _details(comparison: Comparison) -> str:
    source, machine = comparison.source, comparison.machine
    compared = "equal on all calls" if source.get("kind") == "replay" else "not compared"
    entries = {
        "measured": f"{comparison.when}: {_measured(source)}",
        "machine": f"{machine.get('cpu')}, {machine.get('cpus')} CPUs, load {machine.get('load')}, GPU: {machine.get('gpu') or 'none'}",
        "versions": ", ".join(f"{name} {version}" for name, version in comparison.versions.items()),
        "results": "; ".join(comparison.differences[:_SHOWN]) or compared,
    }
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in entries.items())
    return f"<dl>{listed}</dl>" + "".join(_part(part, comparison) for part in comparison.parts)


def _measured(source: Mapping[str, Any]) -> str:
    if source.get("kind") == "replay":
        return f"{source.get('calls')} recorded calls of {source.get('folder')}, on {source.get('device')}"
    if source.get("kind") == "command":
        return " ".join(map(str, source.get("command", ())))
    frameworks = ", ".join(f"{name} {release}" for name, release in source.get("frameworks", {}).items())
    load = f"under the load of {source['load']}" if source.get("load") else "under the load that it had"
    return f"the running job {source.get('job')} ({frameworks}; {len(source.get('processes', ()))} processes), {load}"


def _part(part: Part, comparison: Comparison) -> str:
    doubts = "".join(f'<p class="doubt">Not to be trusted: {escape(doubt)}</p>' for doubt in part.doubts())
    counts = f"{part.name}: {len(part.equal)} rounds of A against A, {len(part.rounds)} of A against B; {part.stopped}"
    plots = "".join(
        f'<div class="plot"><h3>{escape(FIGURES.get(name, name))}, round by round</h3>{_plot(ratios)}</div>'
        for name in (comparison.design.figure, CONTROL)
        if (ratios := ratios_of(part.rounds, name))
    )
    return f'{doubts}<p class="note">{escape(counts)}</p>{plots}'


def _plot(ratios: Sequence[float]) -> str:
    plot, low, high = dots(ratios)
    below = f'<div class="axis"><span>{low:.3f}</span><span>{len(ratios)} rounds</span></div>'
    return f'<div class="axis"><span>{high:.3f}</span></div>{plot}{below}'


def _value(name: str, summary: Summary, outcome: Outcome) -> str:
    found = "" if name == CONTROL else f' <span class="outcome {outcome.replace(" ", "-")}">{outcome}</span>'
    return f"{summary.ratio:.3f} ({summary.interval.low:.3f} to {summary.interval.high:.3f}){found}"


def _range(summaries: Iterable[Summary]) -> tuple[float, float]:
    """Return the ends of the axis: all finite ends of intervals, and 1, with some room."""
    ends = [1.0]
    for summary in summaries:
        for interval in (summary.interval, summary.sequence):
            ends += [end for end in (interval.low, interval.high) if 0 < end < math.inf]
    low, high = min(ends), max(ends)
    room = max((high - low) * 0.05, 0.01)
    return low - room, high + room
