"""What ``syncfree audit`` prints."""

from __future__ import annotations

import shlex

from ._recording import Recording


def text(recording: Recording) -> str:
    """The printed report."""
    lines = [f"syncfree audit: {_headline(recording)}"]
    for process in recording.processes:
        hard = sum(sync.hard and sync.allowed is None for sync in process.syncs)
        about = f"{hard} hard, {process.backend}, torch {process.torch}, {shlex.join(process.argv)}"
        lines.append(f"  process {process.pid}: {about}")
    lines += [f"  NOT AUDITED, process {one.pid}: {one.reason}: {shlex.join(one.argv)}" for one in recording.unaudited]
    lines += [str(site) for site in recording.sites()]
    for phase in recording.phases():
        name = phase.name or "(unnamed)"
        lines.append(
            f"  phase {name}: {phase.steps} steps, {phase.hard} hard ({phase.hard_per_step:.1f} per step), {phase.soft} soft"
        )
    reasons: dict[str, int] = {}
    for sync in recording.syncs(allowed=True):
        assert sync.allowed is not None
        reasons[sync.allowed] = reasons.get(sync.allowed, 0) + 1
    lines += [f"  {number} x allowed: {reason}" for reason, number in reasons.items()]
    return "\n".join(lines)


def _headline(recording: Recording) -> str:
    if recording.processes:
        return f"{recording.hard} hard syncs in {len(recording.processes)} process(es)"
    return f"no{' audited' if recording.unaudited else ''} process of the command used torch"
