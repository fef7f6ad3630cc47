"""The printed report of ``syncfree audit``."""

from __future__ import annotations

import os
import shlex
from collections import Counter

from .._text import printable
from ._events import Frame
from ._recording import Recording

_MOST = 20
"""The number of lines of code with launches that are printed."""


def text(recording: Recording) -> str:
    """Return the printed report."""
    lines = [f"syncfree audit: {_headline(recording)}"]
    for process in recording.processes:
        hard = sum(sync.hard and sync.allowed is None for sync in process.syncs)
        about = f"{hard} hard, {process.backend}, torch {process.torch}, {shlex.join(process.argv)}"
        lines.append(f"  process {process.pid}: {about}")
    lines += [f"  note: {note}" for note in dict.fromkeys(process.basis for process in recording.processes) if note]
    for process in recording.processes:
        if process.unreal:
            lines.append(f"  process {process.pid}: values are not real after {process.unreal[0]}")
            lines += [f"    not computed, too: {operator}" for operator in process.unreal[1:]]
    lines += [f"  NOT AUDITED, process {entry.pid}: {entry.reason}: {shlex.join(entry.argv)}" for entry in recording.unaudited]
    for site in recording.sites():
        lines += str(site).split("\n")
    for phase in recording.phases():
        name = phase.name or "(unnamed)"
        per_step = f"{phase.hard} hard ({phase.hard_per_step:.1f} per step), {phase.soft} soft"
        if recording.has_activities:
            per_step += f", {phase.launches / phase.steps:.1f} launches and {phase.copies / phase.steps:.1f} copies per step"
        lines.append(f"  phase {name}: {phase.steps} steps, {per_step}")
    if recording.has_activities:
        lines += _activities(recording)
    reasons = Counter(sync.allowed for sync in recording.syncs(allowed=True))
    lines += [f"  {number} x allowed: {reason}" for reason, number in reasons.items()]
    return "\n".join(map(printable, lines))


def _activities(recording: Recording) -> list[str]:
    """Lines about launches and copies: their sums, and the lines of code with most of them."""
    of_lines: Counter[tuple[str, str, Frame]] = Counter()
    sums: Counter[str] = Counter()
    for activity, number in recording.activities.items():
        of_lines[activity.what, activity.op, activity.where] += number
        sums[activity.what] += number
    lines = [f"  {number} x {what}" for what, number in sums.most_common()] or ["  no launch and no copy"]
    for (what, op, where), number in of_lines.most_common(_MOST):
        lines += [f"{number:6d} x {what}  {op}", f"         at {where}"]
    if len(of_lines) > _MOST:
        lines.append(f"  and {len(of_lines) - _MOST} more lines of code; --json FILE writes all")
    return lines


def github_annotations(recording: Recording) -> str:
    """The call sites as workflow commands of GitHub Actions, which shows them at their lines in a pull request."""
    lines = []
    for site in recording.sites():
        level = "error" if site.hard else "warning"
        text = f"{site.count} x {site.op}: the host waits for the GPU ({site.kind}). Instead: {site.replacement}"
        lines.append(annotation(level, site.where.file, site.where.line, "host sync", text) + "\n")
    return "".join(lines)


def annotation(level: str, file: str, line: int, title: str, text: str) -> str:
    """Return one workflow command; without a line number it is of no file.

    Args:
        level: ``error`` or ``warning``.
    """
    known = f"file={_escaped(_relative(file), ',:')},line={line}," if line else ""
    return f"::{level} {known}title={_escaped(title, ',:')}::{_escaped(text)}"


def _relative(file: str) -> str:
    """A path as GitHub knows it: from the folder of the checkout, which is where the command runs."""
    return os.path.relpath(file) if file.startswith(os.getcwd() + os.sep) else file


def _escaped(text: str, also: str = "") -> str:
    for character in f"%\r\n{also}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _headline(recording: Recording) -> str:
    if recording.processes:
        return f"{recording.hard} hard syncs in {len(recording.processes)} process(es)"
    return f"no{' audited' if recording.unaudited else ''} process of the command used torch"
