"""The processes that a command is about: the jobs of this user, and the text that names a process."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from .._errors import SelectionError
from ..control._client import Process, ask_all, find

SECONDS_TO_ANSWER = 1.0


def asked(seconds: float = SECONDS_TO_ANSWER) -> tuple[list[Process], list[str]]:
    """Ask every process of this user; return those that are there, and what is wrong with the run directories."""
    found = find(os.environ)
    return ask_all(found, seconds), list(found.problems)


def by_job(processes: Iterable[Process]) -> dict[str, list[Process]]:
    """Return the processes of each job, ranks first in their order, then by pid."""
    jobs: dict[str, list[Process]] = {}
    for process in processes:
        jobs.setdefault(process.job, []).append(process)
    return {job: sorted(jobs[job], key=_order) for job in sorted(jobs)}


def of_job(processes: list[Process], job: str | None, pid: int | None) -> list[Process]:
    """Return the processes that are meant.

    Args:
        processes: all of this user's.
        job: its processes.
        pid: this process alone.

    Raises:
        SelectionError: nothing fits, or neither is given and there are several jobs.
    """
    jobs = by_job(processes)
    there = "; ".join(f"{name} ({len(of)} process{'es' * (len(of) > 1)})" for name, of in jobs.items()) or "none"
    if job is not None and pid is not None:
        raise SelectionError("syncfree: --job and --pid exclude each other")
    if pid is not None:
        meant = [process for process in processes if process.entry.pid == pid]
        pids = ", ".join(str(process.entry.pid) for process in processes) or "none"
        if not meant:
            raise SelectionError(f"syncfree: no process {pid} of yours can be reached; `syncfree ps` shows them. Known: {pids}")
        return meant
    if job is not None:
        if job not in jobs:
            raise SelectionError(f"syncfree: no job {job!r} of yours can be reached. Known: {there}")
        return jobs[job]
    if len(jobs) != 1:
        next_step = "give one with --job" if jobs else "start an engine with syncfree, as the same user"
        raise SelectionError(f"syncfree: {len(jobs)} jobs can be reached, {next_step}. Known: {there}")
    return next(iter(jobs.values()))


def who(process: Process) -> str:
    """Return a process for a table: its rank and pid."""
    rank = None if process.report is None else process.report["plan"]["rank"]
    return f"pid {process.entry.pid}" if rank is None else f"pid {process.entry.pid}, rank {rank['index']} of {rank['size']}"


def frameworks(report: dict[str, Any]) -> str:
    """Return the frameworks of a process with their releases."""
    return ", ".join(f"{name} {version or ''}".strip() for name, version in report["frameworks"].items())


def _order(process: Process) -> tuple[int, int]:
    rank = None if process.report is None else process.report["plan"]["rank"]
    return (1 << 31 if rank is None else rank["index"], process.entry.pid)
