"""The report of a process about itself: its plan with the counters, and its job and rank."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from .._errors import one_line
from .._process_group import process_identity
from .._version import __version__

if TYPE_CHECKING:
    from .._runtime import Runtime

PROTOCOL = 2
"""Of the messages between commands and processes; another release may have another."""


def report(runtime: Runtime, job: str) -> dict[str, Any]:
    """Return this process's report, JSON-serializable."""
    plan = runtime.plan()
    frameworks = {entry.framework: entry.version for entry in plan if entry.framework in plan.loaded}
    return {
        "protocol": PROTOCOL,
        "syncfree": __version__,
        "job": job,
        "command": one_line(" ".join(getattr(sys, "argv", [])) or sys.executable, 200),
        "frameworks": frameworks,
        **process_identity(),
        "pid_namespace": pid_namespace(),
        "plan": plan.as_dict(),
        "verified": {
            hook: {target: {"compared": of.compared, "mismatches": of.mismatches, "skipped": of.skipped} for target, of in found.items()}
            for hook, found in runtime.instrumentation.results().items()
        },
        "latencies": {
            hook: {target: {choice: of.buckets for choice, of in by_choice.items()} for target, by_choice in found.items()}
            for hook, found in runtime.instrumentation.latencies().items()
        },
    }


def pid_namespace() -> int:
    """Return a number that two processes share if they see the same pids; 0 where the system does not tell."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0
