"""The counts of a program of this folder while an engine runs under ``syncfree audit --backend dry-run``: waits, launches, copies."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import pairwise
from typing import Any

import torch

import syncfree
from syncfree.audit import Report, _events, _record, dry_run

BEGUN = time.time()
LAUNCHES = ("kernel launches", "driver launches", "graph launches")
COPIES = ("blocking copies", "pageable copies to the device", "pageable copies to the host", "pinned copies", "copies on the device")


class Measurement:
    """Counts of one case: the waits of all threads, and what the device was asked for; `told` returns them for a record.

    Args:
        hook: the hook whose calls are counted, or None.
    """

    def __init__(self, hook: str | None) -> None:
        self._hook = hook
        self._report = Report(None, "dry-run")
        self._begun: list[int] = []
        self._open = False
        self._number = 0
        self._counts: Counter[str] = Counter()
        self._calls = _calls(hook)

    def step(self) -> AbstractContextManager[None]:
        """Count one step."""
        return self.steps(1)

    @contextmanager
    def steps(self, number: int) -> Iterator[None]:
        """Count several steps, of which nothing is known one by one."""
        before = dry_run.counts()
        self._begun.append(self._report.count if self._begun else 0)  # what came before the first step is the first step's
        with nullcontext() if self._open else self.between_steps():
            yield
        self._number += number
        self._counts.update({name: number - before[name] for name, number in dry_run.counts().items()})

    @contextmanager
    def between_steps(self) -> Iterator[None]:
        """Count, beside what happens in steps, what other threads do between two of them; it belongs to the step before."""
        self._open = True
        _sinks.append(self._report)
        try:
            yield
        finally:
            _sinks.remove(self._report)
            self._open = False

    def told(self, steps: int | None = None) -> dict[str, Any]:
        """Return the counts, as `tests.dry_run_engines.records` describes them; `steps` when it was not known before."""
        steps = max(1, self._number if steps is None else steps)
        sites: Counter[tuple[str, str]] = Counter()
        for sync in self._report.hard:
            sites[_relative(sync.where), sync.op] += 1
        return {
            "waits": self._report.count,
            "waits_by_step": [end - begin for begin, end in pairwise((*self._begun, self._report.count))],
            "sites": [
                {"at": at, "operator": operator, "waits": waits, "per_step": round(waits / steps, 2)}
                for (at, operator), waits in sorted(sites.items(), key=lambda item: (-item[1], item[0]))
            ],
            "launches_per_step": round(sum(self._counts[name] for name in LAUNCHES) / steps, 1),
            "copies_per_step": {name: round(self._counts[name] / steps, 1) for name in COPIES if self._counts[name]},
            "calls": _calls(self._hook) - self._calls,
        }


class _Everywhere:
    """Delivers every thread's syncs to the measurement that is running."""

    def add(self, sync: _events.Sync) -> None:
        for sink in _sinks:
            sink.add(sync)

    def begin_step(self, phase: str) -> None:
        """Steps are counted by `Measurement.step`."""


_sinks: list[Report] = []
_record.open_everywhere(_Everywhere())


def about() -> dict[str, str]:
    """Return what the device and torch are, for a record."""
    return {"torch": torch.__version__, "capability": ".".join(map(str, torch.cuda.get_device_capability()))}


def _calls(hook: str | None) -> int:
    choices = syncfree.counters().get(hook or "", {}).values()
    return sum(counts.calls for by_choice in choices for choice, counts in by_choice.items() if choice != "upstream")


def _relative(frame: _events.Frame) -> str:
    """The line without the folder of the installation."""
    for folder in sorted(filter(None, sys.path), key=len, reverse=True):
        if frame.file.startswith(folder + os.sep):
            return f"{frame.file[len(folder) + 1:]}:{frame.line} {frame.function}"
    return str(frame)
