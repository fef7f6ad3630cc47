"""The syncs of all processes of a command under ``syncfree audit``: read from their logs, and as plain data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from . import _log
from ._accounting import Unaudited
from ._events import Activity, Frame, Kind, Sync
from ._report import Site, sites


@dataclass(slots=True)
class Process:
    """The syncs of one process.

    Attributes:
        phases: (name, seconds) of each `syncfree.audit.step`.
        image: identifies the program that it executes, see `_proc.Stat`.
        error: the error number of the reason why some syncs were lost, 0 if none were.
        basis: what its counts rest on, and what they cannot show.
        unreal: of a dry run with values, the operators that could not be computed, in order, with the line that used them first.
        activities: how often each line launched a kernel or copied, if the command was run with ``--launches``.
        copied: the bytes of each line that copied.
    """

    pid: int
    argv: list[str]
    backend: str
    torch: str
    python: str
    started: float
    offset: float
    syncs: list[Sync] = field(default_factory=list)
    phases: list[tuple[str, float]] = field(default_factory=list)
    image: str = ""
    error: int = 0
    basis: str = ""
    unreal: list[str] = field(default_factory=list)
    activities: Counter[Activity] = field(default_factory=Counter)
    copied: Counter[Activity] = field(default_factory=Counter)

    def at(self, seconds: float) -> float:
        """Return a moment of this process as wall-clock time, comparable between processes."""
        return seconds + self.offset


@dataclass(frozen=True, slots=True)
class Phase:
    """All steps of one name, in all processes."""

    name: str
    steps: int
    hard: int
    soft: int
    launches: int
    copies: int

    @property
    def hard_per_step(self) -> float:
        return self.hard / self.steps


@dataclass(frozen=True)
class Recording:
    """The result of one command under audit.

    Attributes:
        processes: complete; what is summed over them is summed once.
    """

    command: list[str]
    exit_status: int
    processes: list[Process]
    unaudited: list[Unaudited] = field(default_factory=list)
    has_activities: bool = False

    def syncs(self, *, allowed: bool = False) -> Iterator[Sync]:
        """Return the syncs of all processes outside `allow` regions; those inside when ``allowed``."""
        return (sync for process in self.processes for sync in process.syncs if (sync.allowed is not None) == allowed)

    @property
    def hard(self) -> int:
        """Number of hard syncs outside `allow` regions."""
        return sum(sync.hard for sync in self.syncs())

    def sites(self) -> list[Site]:
        """Return call sites by number of syncs, over all processes."""
        return sites(self.syncs())

    def phases(self) -> list[Phase]:
        """Return syncs per phase name, in order of first use; syncs before the first step are in none."""
        steps = Counter(name for process in self.processes for name, _ in process.phases)
        hard = Counter(sync.phase for sync in self.syncs() if sync.hard and sync.step >= 0)
        soft = Counter(sync.phase for sync in self.syncs() if not sync.hard and sync.step >= 0)
        launches: Counter[str | None] = Counter()
        copies: Counter[str | None] = Counter()
        for activity, number in self.activities.items():
            (launches if activity.what.endswith("launch") else copies)[activity.phase] += number
        return [Phase(name, number, hard[name], soft[name], launches[name], copies[name]) for name, number in steps.items()]

    @cached_property
    def activities(self) -> Counter[Activity]:
        """Return how often each line launched a kernel or copied, over all processes."""
        found: Counter[Activity] = Counter()
        for process in self.processes:
            found.update(process.activities)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for ``--json``."""
        return {
            "command": self.command,
            "exit_status": self.exit_status,
            "hard": self.hard,
            "sites": [
                {"count": site.count, "kind": site.kind.value, "op": site.op, "hard": site.hard, "file": site.where.file,
                 "line": site.where.line, "function": site.where.function, "replacement": site.replacement}
                for site in self.sites()
            ],
            "phases": [
                {"name": phase.name, "steps": phase.steps, "hard": phase.hard, "soft": phase.soft}
                | ({"launches": phase.launches, "copies": phase.copies} if self.has_activities else {})
                for phase in self.phases()
            ],
            "processes": [_process_as_dict(process) for process in self.processes],
            "unaudited": [
                {"pid": process.pid, "argv": process.argv, "reason": process.reason} for process in self.unaudited
            ],
        }  # fmt: skip


def _process_as_dict(process: Process) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "argv": process.argv,
        "backend": process.backend,
        "torch": process.torch,
        "basis": process.basis,
        "python": process.python,
        "unreal": process.unreal,
        "started": process.at(process.started),
        "phases": [{"name": name, "time": process.at(seconds)} for name, seconds in process.phases],
        "activities": [
            {"what": did.what, "op": did.op, "file": did.where.file, "line": did.where.line, "function": did.where.function,
             "phase": did.phase, "count": number, "bytes": process.copied[did]}
            for did, number in process.activities.most_common()
        ],
        "syncs": [
            {
                "kind": sync.kind.value,
                "op": sync.op,
                "hard": sync.hard,
                "shape": sync.shape,
                "stack": [str(frame) for frame in sync.stack],
                "thread": sync.thread,
                "time": process.at(sync.seconds),
                "step": sync.step,
                "phase": sync.phase,
                "allowed": sync.allowed,
            }
            for sync in process.syncs
        ],
    }  # fmt: skip


def read(directory: Path) -> list[Process]:
    """Read the logs of all processes, in order of their start."""
    logs = (_process(name.partition(".")[0], lines, error) for name, lines, error in _log.read(directory))
    return sorted((process for process in logs if process is not None), key=lambda process: process.at(process.started))


def _process(image: str, lines: list[bytes], error: int) -> Process | None:
    process: Process | None = None
    stacks: dict[int, tuple[Frame, ...]] = {}
    for text in lines:
        line = json.loads(text)
        if "pid" in line:
            offset = line["clock"] - line["seconds"]
            about = (line["pid"], line["argv"], line["backend"], line["torch"], line["python"])
            process = Process(*about, line["seconds"], offset, image=image, error=error, basis=line["basis"])
        elif "stack" in line:
            number, frames = line["stack"]
            stacks[number] = tuple(Frame(*frame) for frame in frames)
        elif process is not None and "sync" in line:
            kind, op, hard, shape, stack, *rest = line["sync"]
            frames = stacks.get(stack, ())  # the line with this stack may have been lost
            process.syncs.append(Sync(Kind(kind), op, hard, None if shape is None else tuple(shape), frames, *rest))
        elif process is not None and "activity" in line:
            _, what, op, where, phase, bytes_ = line["activity"]
            activity = Activity(what, op, Frame(*where), phase)
            process.activities[activity] += line["count"]
            process.copied[activity] += line["count"] * bytes_
        elif process is not None and "unreal" in line:
            process.unreal.append(line["unreal"])
        elif process is not None:
            process.phases.append((line["phase"], line["seconds"]))
    return process
