"""The memory that the ranks of one group share, and the file locks by which each sees that the others live.

The memory is a sealed memfd of the first rank. It has no name: other processes reach it through the first rank's
``/proc`` entry alone, which the kernel opens to the same user only. So nothing can be left behind by a crash or be taken
for somebody else's, the size of ``/dev/shm`` does not matter, and the kernel frees the memory with the last rank.

Each rank locks the byte of its number. The kernel gives a lock back when its process ends in whatever way; a forked child
does not inherit it. It also gives it back when the process closes any descriptor of that file, so each process opens it
once and keeps it open.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import secrets
import stat
import weakref
from enum import IntEnum

from . import _futex

NAME = "syncfree-shm-mailbox"
HEADER_BYTES = 128
NONCE_BYTES = 16


class Reason(IntEnum):
    """The reason why a rank cannot share memory with the others; a number, because the agreement moves numbers."""

    NONE = 0
    UNSUPPORTED = 1
    NOT_MADE = 2
    NOT_REACHED = 3
    FOREIGN = 4
    OTHER_USER = 5
    NO_LOCKS = 6

    @property
    def text(self) -> str:
        """Return what the user reads."""
        return _TEXTS[self]


_TEXTS = {
    Reason.NONE: "ready",
    Reason.UNSUPPORTED: "runs on a system whose futex is not known here; known are Linux on x86-64 and aarch64",
    Reason.NOT_MADE: "cannot make the shared memory",
    Reason.NOT_REACHED: "cannot open the first rank's memory: it runs on another machine or in another container",
    Reason.FOREIGN: "finds another file where the first rank's memory should be: it runs on another machine or in another "
    "container",
    Reason.OTHER_USER: "may not open the first rank's memory: it runs as another user",
    Reason.NO_LOCKS: "cannot see the locks of the other ranks",
}


class SegmentError(Exception):
    """This rank cannot share the memory.

    Attributes:
        reason: why.
        number: the system's error number; 0 without one.
    """

    def __init__(self, reason: Reason, number: int = 0) -> None:
        super().__init__(reason.text)
        self.reason = reason
        self.number = number


class Segment:
    """The mapped memory of `size` ranks and this rank's lock in it; made by `create` or `attach`.

    Attributes:
        memory: the bytes after the header, zero at the start.
    """

    def __init__(self, descriptor: int, nonce: bytes, rank: int) -> None:
        self.descriptor = descriptor
        self.nonce = nonce
        self._rank = rank
        self._map = mmap.mmap(descriptor, 0)
        self.memory = memoryview(self._map)[HEADER_BYTES:]
        # mmap has a descriptor of its own, and closing it would give the lock back; so lock last, and never unmap before.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, rank)
        weakref.finalize(self, os.close, descriptor).atexit = False

    @classmethod
    def create(cls, payload_bytes: int) -> Segment:
        """Make the memory, as rank 0.

        Raises:
            SegmentError: the system refuses, for one because there is no memory.
        """
        if not _futex.is_supported():
            raise SegmentError(Reason.UNSUPPORTED)
        nonce = secrets.token_bytes(NONCE_BYTES)
        try:
            descriptor = os.memfd_create(NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            try:
                os.fchmod(descriptor, 0o600)
                # Allocated now: memory that runs out at the first write is a SIGBUS.
                os.posix_fallocate(descriptor, 0, HEADER_BYTES + payload_bytes)
                os.pwrite(descriptor, nonce, 0)
                seals = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
                fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
                return cls(descriptor, nonce, rank=0)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise SegmentError(Reason.NOT_MADE, error.errno or 0) from error

    @classmethod
    def attach(cls, process: int, number: int, nonce: bytes, payload_bytes: int, rank: int) -> Segment:
        """Map the memory of rank 0: its process, the number of its descriptor, and the nonce that the memory begins with.

        Raises:
            SegmentError: it cannot be opened, is not that memory, or belongs to another user.
        """
        if not _futex.is_supported():
            raise SegmentError(Reason.UNSUPPORTED)
        path = f"/proc/{process}/fd/{number}"
        try:
            # In another PID namespace this is some other process; opening a pipe or a device of it could do harm.
            if not os.readlink(path).startswith(f"/memfd:{NAME}"):
                raise SegmentError(Reason.FOREIGN)
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            reason = Reason.OTHER_USER if isinstance(error, PermissionError) else Reason.NOT_REACHED
            raise SegmentError(reason, error.errno or 0) from error
        try:
            _check(os.fstat(descriptor), HEADER_BYTES + payload_bytes)
            if os.pread(descriptor, NONCE_BYTES, 0) != nonce:
                raise SegmentError(Reason.FOREIGN)
            return cls(descriptor, nonce, rank)
        except OSError as error:
            os.close(descriptor)
            raise SegmentError(Reason.NOT_REACHED, error.errno or 0) from error
        except BaseException:
            os.close(descriptor)
            raise

    def is_locked(self, rank: int) -> bool:
        """Return whether the process of another rank lives and has not left."""
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, rank)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return True
            raise
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, rank)
        return False

    def leave(self) -> None:
        """Give this rank's lock back, so that the others stop waiting for it."""
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, self._rank)


def _check(status: os.stat_result, size: int) -> None:
    if status.st_uid != os.geteuid():
        raise SegmentError(Reason.OTHER_USER)
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077 or status.st_size != size:
        raise SegmentError(Reason.FOREIGN)
