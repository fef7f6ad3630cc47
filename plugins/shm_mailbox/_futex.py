"""Sleep until a 32-bit word of shared memory changes: Linux's futex, which Python has no function for."""

from __future__ import annotations

import ctypes
import errno
import os
import platform

_NUMBERS = {"x86_64": 202, "aarch64": 98}
_WAIT, _WAKE, _EVERYBODY = 0, 1, 2**31 - 1
_HARMLESS = (errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT)
"""The word had changed already, a signal came, the time is over: the caller looks at the word in each case."""


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def is_supported() -> bool:
    """Return whether the system call's number is known here."""
    return platform.system() == "Linux" and platform.machine() in _NUMBERS


class Futex:
    """One word. Its 32 bits are an unsigned number in the machine's byte order; the address must stay mapped.

    Waking keeps the GIL, because a thread that gives it up may wait milliseconds to get it back; sleeping gives it up.
    """

    __slots__ = ("_address", "_number", "_sleep", "_wake")

    def __init__(self, address: int) -> None:
        self._number = ctypes.c_long(_NUMBERS[platform.machine()])
        self._address = ctypes.c_void_p(address)
        self._sleep = ctypes.CDLL(None, use_errno=True).syscall
        self._wake = ctypes.PyDLL(None).syscall

    def wake(self) -> None:
        """Wake every process that sleeps on the word; the word must have been written before."""
        self._wake(self._number, self._address, ctypes.c_int(_WAKE), ctypes.c_int(_EVERYBODY))

    def sleep(self, seen: int, seconds: float) -> None:
        """Sleep while the word is `seen`, at most so long. May return early.

        The kernel compares and goes to sleep in one step, so a write and `wake` between the caller's look and this
        call is not missed.

        Raises:
            OSError: the kernel refuses the call, as a seccomp filter can.
        """
        whole = int(seconds)
        limit = _Timespec(whole, int((seconds - whole) * 1e9))
        result = self._sleep(
            self._number,
            self._address,
            ctypes.c_int(_WAIT),
            ctypes.c_uint32(seen),
            ctypes.byref(limit),
            None,
            ctypes.c_int(0),
        )
        if result and ctypes.get_errno() not in _HARMLESS:
            number = ctypes.get_errno()
            raise OSError(number, f"futex: {os.strerror(number)}")
