"""The reports of the stub libraries: waits, copies that involve pageable memory, and numbers of everything else."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from ._load import device

EVENTS = (
    "stream synchronizations",
    "event synchronizations",
    "device synchronizations",
    "blocking copies",
    "pageable copies to the device",
    "pageable copies to the host",
    "pinned copies",
    "copies on the device",
    "kernel launches",
    "driver launches",
    "graph launches",
)
"""In the order of ``Event`` in ``stubs/device.h``."""
STREAM, EVENT, DEVICE, COPY, TO_DEVICE, TO_HOST, PINNED, ON_DEVICE, LAUNCH, DRIVER_LAUNCH, GRAPH_LAUNCH = range(11)

_Report = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_size_t)
_kept: list[object] = []


def counts() -> dict[str, int]:
    """Return how often each kind of event has happened in this process.

    Raises:
        AuditError: this process does not run on the dry-run device.
    """
    numbers = (ctypes.c_long * len(EVENTS))()
    device().syncfree_counts(numbers)
    return dict(zip(EVENTS, numbers, strict=True))


def watch(report: Callable[[int, int], None], events: tuple[int, ...]) -> None:
    """Call ``report(event, bytes)`` for these events, in the thread of each, before its wait; for the life of the process."""
    function = _Report(report)
    _kept.append(function)
    if device().syncfree_watch(function, sum(1 << event for event in events)) != 0:
        raise RuntimeError("this Python does not export its C API, which the dry run calls it through")
