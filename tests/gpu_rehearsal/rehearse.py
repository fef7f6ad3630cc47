"""Run a program for a GPU from its first line to its last in the dry run, with the auditor's CUDA back end: ``rehearse.py PACK ARGUMENTS``.

PACK is the folder that ``make gpu-pack`` makes, from which all but torch and numpy comes. The device computes values. Three things
stand in for a GPU: audits are told that no dry run is installed, so that they listen to torch's own reports; an event is ended when
the host has waited since it was recorded; and the profiler, which finds no device to trace, sees none of the kernels.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

pack = Path(sys.argv[1]).absolute()
before = list(sys.path)
sys.path[:0] = [str(pack / "own")]
sys.path.append(str(pack / "others"))

from syncfree.audit import dry_run  # noqa: E402

dry_run.install(values=True)
sys.path[:] = before  # run.py has to find everything by itself

import torch  # noqa: E402

WAITS = ("stream synchronizations", "event synchronizations", "device synchronizations", "blocking copies", "pageable copies to the host")


class Event(torch.cuda.Event):
    """An event of a device with a queue: it has ended when the host has waited since it was recorded."""

    _waits = 0

    def record(self, stream: torch.cuda.Stream | None = None) -> None:
        """Note how often the host had waited."""
        super().record(stream)
        self._waits = waits()

    def query(self) -> bool:
        """Return whether the host has waited since."""
        return waits() > self._waits


def waits() -> int:
    """Return how often the host has waited for the device in this process."""
    counts = dry_run.counts()
    return sum(counts[name] for name in WAITS)


torch.cuda.Event = torch.cuda.streams.Event = Event  # type: ignore[misc]
dry_run.is_installed = lambda: False
program = pack / "run.py"
sys.argv = [str(program), *sys.argv[2:]]
with dry_run.Values():
    runpy.run_path(str(program), run_name="__main__")
