"""The HTML page of ``syncfree audit``: a flame graph, a timeline per process, and the call sites. One file, no assets."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

from ._events import Frame, Kind, Sync
from ._recording import Process, Recording

_WIDTH = 1200
_ROW = 18
_COLOURS = {
    Kind.ITEM: "#c0392b",
    Kind.D2H: "#d35400",
    Kind.H2D: "#2471a3",
    Kind.DATA_SHAPE: "#7d3c98",
    Kind.WAIT: "#566573",
    Kind.STAGED: "#b7950b",
}
_STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:2em auto;max-width:1240px;padding:0 1em;color:#1c2833;background:#fff}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #d5d8dc;padding:.3em .6em;text-align:left;vertical-align:top}
td.n,th.n{text-align:right}code,svg text{font-family:ui-monospace,monospace;font-size:12px}svg{width:100%;height:auto}
.key span{display:inline-block;margin-right:1.2em}.key i{display:inline-block;width:.8em;height:.8em;margin-right:.3em}
"""


def page(recording: Recording) -> str:
    """Return the whole page."""
    title = f"{recording.hard} host syncs: {shlex.join(recording.command)}"
    key = "".join(f'<span><i style="background:{colour}"></i>{kind}</span>' for kind, colour in _COLOURS.items())
    timelines = "".join(_timeline(process) for process in recording.processes)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<h1>{recording.hard} host syncs</h1><p><code>{escape(shlex.join(recording.command))}</code></p>"
        f"{_unaudited(recording)}"
        f'<p class="key">{key}</p><h2>Flame graph</h2><p>Width is the number of syncs below a line of code.</p>'
        f"{_flame_graph(recording.syncs())}<h2>Timeline</h2>{timelines}"
        f"<h2>Call sites</h2>{_sites(recording)}<h2>Phases</h2>{_phases(recording)}{_activities(recording)}</html>\n"
    )


@dataclass(slots=True)
class _Node:
    label: str
    count: int = 0
    kind: Kind | None = None
    children: dict[str, _Node] = field(default_factory=dict)

    def child(self, label: str, kind: Kind | None = None) -> _Node:
        node = self.children.setdefault(label, _Node(label, kind=kind))
        node.count += 1
        return node


def _flame_graph(syncs: Iterable[Sync]) -> str:
    root = _Node("all")
    for sync in syncs:
        root.count += 1
        node = root
        for frame in reversed(sync.stack):
            node = node.child(_label(frame))
        node.child(f"{sync.kind} {sync.op}", sync.kind)
    if not root.count:
        return "<p>no host sync</p>"
    boxes: list[str] = []
    depth = _draw(root, 0.0, 0, _WIDTH / root.count, boxes)
    return f'<svg viewBox="0 0 {_WIDTH} {(depth + 1) * _ROW}" role="img">{"".join(boxes)}</svg>'


def _draw(node: _Node, left: float, depth: int, scale: float, boxes: list[str]) -> int:
    """Append the boxes of a node and its children; return the depth of the deepest."""
    width = node.count * scale
    shown = escape(node.label[: int(width / 7.3)])
    colour = _COLOURS[node.kind] if node.kind else "#fad7a0" if depth % 2 else "#f8c471"
    ink = "#fff" if node.kind else "#1c2833"
    boxes.append(
        f'<g><title>{node.count} x {escape(node.label)}</title><rect x="{left:.1f}" y="{depth * _ROW}" '
        f'width="{max(width - 0.5, 0.5):.1f}" height="{_ROW - 1}" fill="{colour}"/>'
        f'<text x="{left + 3:.1f}" y="{depth * _ROW + 13}" fill="{ink}">{shown}</text></g>'
    )
    deepest = depth
    for child in node.children.values():
        deepest = max(deepest, _draw(child, left, depth + 1, scale, boxes))
        left += child.count * scale
    return deepest


def _timeline(process: Process) -> str:
    moments = [sync.seconds for sync in process.syncs] + [seconds for _, seconds in process.phases]
    first, last = min(moments, default=0.0), max(moments, default=0.0)
    scale = (_WIDTH - 20) / ((last - first) or 1.0)
    marks = [
        f'<line x1="{10 + (seconds - first) * scale:.1f}" x2="{10 + (seconds - first) * scale:.1f}" y1="0" y2="44" '
        f'stroke="#d5d8dc"><title>step {escape(name)}</title></line>'
        for name, seconds in process.phases
    ]
    marks += [
        f'<rect x="{9 + (sync.seconds - first) * scale:.1f}" y="{12 if sync.hard else 28}" width="2" height="14" '
        f'fill="{_COLOURS[sync.kind]}" opacity="{0.35 if sync.allowed else 1}"><title>{escape(_describe(sync))}</title></rect>'
        for sync in process.syncs
    ]
    return (
        f"<p>process {process.pid}: {escape(shlex.join(process.argv))}, {process.backend} back end, "
        f"{(last - first) * 1e3:.1f} ms from first to last mark</p>"
        f'<svg viewBox="0 0 {_WIDTH} 46" role="img">{"".join(marks)}</svg>'
    )


def _describe(sync: Sync) -> str:
    allowed = f" (allowed: {sync.allowed})" if sync.allowed else ""
    return f"{sync.kind} {sync.op} at {sync.where}{allowed}"


def _unaudited(recording: Recording) -> str:
    if not recording.unaudited:
        return ""
    rows = "".join(
        f"<tr><td>{process.pid}</td><td>{escape(process.reason)}</td><td><code>{escape(shlex.join(process.argv))}</code></td></tr>"
        for process in recording.unaudited
    )
    return f"<h2>Not audited</h2><table><tr><th>process<th>reason<th>command</tr>{rows}</table>"


def _sites(recording: Recording) -> str:
    rows = "".join(
        f'<tr><td class="n">{site.count}</td><td>{"hard" if site.hard else "soft"} {site.kind}</td>'
        f"<td><code>{escape(site.op)}</code></td><td><code>{escape(str(site.where))}</code></td>"
        f"<td>{escape(site.replacement)}</td></tr>"
        for site in recording.sites()
    )
    return f'<table><tr><th class="n">syncs<th>kind<th>operator<th>at<th>instead</tr>{rows}</table>'


def _phases(recording: Recording) -> str:
    rows = "".join(
        f'<tr><td>{escape(phase.name or "(unnamed)")}</td><td class="n">{phase.steps}</td><td class="n">{phase.hard}</td>'
        f'<td class="n">{phase.hard_per_step:.1f}</td><td class="n">{phase.soft}</td></tr>'
        for phase in recording.phases()
    )
    if not rows:
        return "<p>No phases are marked; call <code>syncfree.audit.step()</code> at the beginning of each step.</p>"
    head = '<tr><th>phase<th class="n">steps<th class="n">hard<th class="n">hard per step<th class="n">soft</tr>'
    return f"<table>{head}{rows}</table>"


def _activities(recording: Recording) -> str:
    if not recording.has_activities:
        return ""
    rows = "".join(
        f'<tr><td class="n">{number}</td><td>{did.what}</td><td><code>{escape(did.op)}</code></td>'
        f"<td><code>{escape(str(did.where))}</code></td><td>{escape(did.phase or '')}</td></tr>"
        for did, number in recording.activities.most_common()
    )
    return f'<h2>Launches and copies</h2><table><tr><th class="n">number<th>what<th>operator<th>at<th>phase</tr>{rows}</table>'


def _label(frame: Frame) -> str:
    return f"{frame.function} ({os.path.basename(frame.file)}:{frame.line})"
