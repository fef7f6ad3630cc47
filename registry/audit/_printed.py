"""The printed report of ``syncfree audit``."""

from __future__ import annotations

import shlex
from collections import Counter

from .._text import printable
from ._recording import Recording


def text(recording: Recording) -> str:
    """Return the printed report."""
    lines = [f"syncfree audit: {_headline(recording)}"]
    for process in recording.processes:
        hard = sum(sync.hard and sync.allowed is None for sync in process.syncs)
        about = f"{hard} hard, {process.backend}, torch {process.torch}, {shlex.join(process.argv)}"
        lines.append(f"  process {process.pid}: {about}")
    lines += [f"  NOT AUDITED, process {entry.pid}: {entry.reason}: {shlex.join(entry.argv)}" for entry in recording.unaudited]
    for site in recording.sites():
        lines += str(site).split("\n")
    for phase in recording.phases():
        name = phase.name or "(unnamed)"
        per_step = f"{phase.hard} hard ({phase.hard_per_step:.1f} per step), {phase.soft} soft"
        lines.append(f"  phase {name}: {phase.steps} steps, {per_step}")
    reasons = Counter(sync.allowed for sync in recording.syncs(allowed=True))
    lines += [f"  {number} x allowed: {reason}" for reason, number in reasons.items()]
    return "\n".join(map(printable, lines))


def _headline(recording: Recording) -> str:
    if recording.processes:
        return f"{recording.hard} hard syncs in {len(recording.processes)} process(es)"
    return f"no{' audited' if recording.unaudited else ''} process of the command used torch"
