"""Pending ``non_blocking`` copies, which the host has not waited for yet, and poison mode.

Each stream holds the copies that precede its head. Recording an event copies that set, waiting for another stream merges
its set, and a host wait finishes the copies. Only poison mode keeps such copies; otherwise every set is empty.

In poison mode a download's destination holds NaN (integers: bytes 0xA5, bools: the wrong value) until the host has waited
for it, and an upload's source is compared with its contents when the copy was queued.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from .._errors import PinnedMemoryRace
from .._events import Kind
from .._record import is_active, record
from .._stacks import user_location

_SENTINEL_BYTE = 0xA5
_NAN_BYTE = 0xFF  # all bits set is NaN in every floating-point format of torch


class Copy:
    """One queued copy between pinned host memory and the device."""

    def __init__(self, pinned: torch.Tensor, value: torch.Tensor, device_storage: int, is_download: bool) -> None:
        self.pinned = pinned
        self.value = value
        self.device_storage = device_storage
        self.is_download = is_download
        self.where = user_location()
        self.is_done = False
        self._expected = _bytes(pinned).clone()

    def finish(self) -> None:
        """Execute the copy.

        Raises:
            PinnedMemoryRace: the pinned memory was written while the copy was pending.
        """
        if self.is_done:
            return
        self.is_done = True
        unchanged = bool(torch.equal(_bytes(self.pinned), self._expected))
        if self.is_download:
            self.pinned.copy_(self.value)
        if not unchanged:
            direction = "device-to-host" if self.is_download else "host-to-device"
            raise PinnedMemoryRace(
                f"the pinned memory of a {direction} non_blocking copy, queued at {self.where}, was written before the "
                "host had waited for that copy; wait for an event recorded after it, or use another buffer"
            )


class State:
    """The pending copies of all streams, and whether poison mode is on."""

    def __init__(self) -> None:
        self.is_poisoning = False
        self.copies: list[Copy] = []

    def pending(self) -> list[Copy]:
        """Return the copies that no wait has finished, oldest first."""
        self.copies = [copy for copy in self.copies if not copy.is_done]
        return self.copies


STATE = State()


class Timeline:
    """The copies that precede the head of one stream, or one event."""

    def __init__(self, before: Iterable[Copy] = ()) -> None:
        self._copies: set[Copy] = set(before)

    def merge(self, other: Timeline) -> None:
        """Order this after everything that precedes ``other``."""
        self._copies |= {copy for copy in other._copies if not copy.is_done}

    def add(self, copy: Copy) -> None:
        self._copies.add(copy)

    def __contains__(self, copy: Copy) -> bool:
        return copy in self._copies

    def snapshot(self) -> Timeline:
        """Return a copy that later work does not change."""
        return Timeline(copy for copy in self._copies if not copy.is_done)

    def finish(self) -> None:
        """Execute all copies in this timeline, after a host wait."""
        copies = [copy for copy in STATE.pending() if copy in self._copies] if self._copies else []
        self._copies.clear()
        for copy in copies:
            copy.finish()


class _Current(threading.local):
    timeline: Timeline | None = None


DEFAULT = Timeline()
_current = _Current()


def current() -> Timeline:
    """Return the timeline of this thread's current stream."""
    return _current.timeline or DEFAULT


def set_current(timeline: Timeline) -> None:
    """Make another stream current in this thread."""
    _current.timeline = timeline


def host_waits(
    kind: Kind,
    op: str,
    shape: torch.Size | None = None,
    *,
    hard: bool = True,
    timeline: Timeline | None = None,
) -> None:
    """Record a host wait; a hard wait finishes the copies of the timeline, by default the current stream's."""
    if is_active():
        record(kind, op, hard=hard, shape=None if shape is None else tuple(shape))
    if hard and STATE.is_poisoning:
        (timeline or current()).finish()


def finish_everything() -> None:
    """Execute all pending copies, after the host has waited for the device."""
    for copy in list(STATE.pending()):
        copy.finish()


def queue_copy(pinned: torch.Tensor, value: torch.Tensor, device: torch.Tensor, *, is_download: bool) -> None:
    """Queue a copy on the current stream in poison mode.

    Args:
        value: for a download, the data to copy; an upload is done already, because later work of its stream must see it.

    Raises:
        PinnedMemoryRace: the same pinned memory has a pending copy that this stream does not wait for, or was written since.
    """
    settle(pinned)
    if is_download:
        _poison(pinned, value)
    copy = Copy(pinned, value, device.untyped_storage().data_ptr(), is_download)
    STATE.copies.append(copy)
    current().add(copy)


def settle(pinned: torch.Tensor) -> None:
    """Execute earlier copies of the same pinned memory, so that a copy queued behind them sees their result."""
    storage = pinned.untyped_storage().data_ptr()
    for copy in list(STATE.pending()):
        if copy.pinned.untyped_storage().data_ptr() != storage or not _overlap(copy.pinned, pinned):
            continue
        if copy not in current():
            raise PinnedMemoryRace(
                f"pinned memory is copied while a non_blocking copy of it, queued at {copy.where}, is pending in another "
                "stream; let this stream wait for that one"
            )
        copy.finish()


def check_operand(tensor: torch.Tensor) -> None:
    """Raise `PinnedMemoryRace` for a kernel operand that another stream uploads, unless this stream waits for the upload."""
    storage = tensor.untyped_storage().data_ptr()
    for copy in STATE.pending():
        if not copy.is_download and copy.device_storage == storage and copy not in current():
            raise PinnedMemoryRace(
                f"a kernel uses the destination of a non_blocking upload, queued at {copy.where} in another stream; let the "
                "current stream wait for that one"
            )


@contextmanager
def poison() -> Iterator[None]:
    """Detect races of ``non_blocking`` copies in the block; see the module.

    Raises:
        PinnedMemoryRace: in the block, or at its end for a copy that nothing has waited for.
    """
    if STATE.is_poisoning:
        yield
        return
    STATE.is_poisoning = True
    try:
        yield
        finish_everything()
    finally:
        STATE.is_poisoning = False
        STATE.copies.clear()


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    """Return the memory of a dense CPU tensor."""
    flat = tensor.as_strided((tensor.numel(),), (1,), tensor.storage_offset())
    return flat.view(torch.uint8)


def _poison(pinned: torch.Tensor, value: torch.Tensor) -> None:
    if pinned.dtype is torch.bool:
        pinned.copy_(~value)
    else:
        is_real = pinned.dtype.is_floating_point or pinned.dtype.is_complex
        _bytes(pinned).fill_(_NAN_BYTE if is_real else _SENTINEL_BYTE)


def _overlap(a: torch.Tensor, b: torch.Tensor) -> bool:
    a_end = a.data_ptr() + a.numel() * a.element_size()
    b_end = b.data_ptr() + b.numel() * b.element_size()
    return a.data_ptr() < b_end and b.data_ptr() < a_end
