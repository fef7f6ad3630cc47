"""Trial of the device in a forked child, with releases of torch that it was not tested with: C++ objects may have changed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

_SECONDS = 60.0


def problem(install: Callable[[], None]) -> str:
    """Return what goes wrong when a forked child installs the device; empty if nothing does.

    A fork, because it takes no second import of torch, and because the command line's audit knows it as this program.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run(install, writer)
    os.close(writer)
    status = _status(child)
    with os.fdopen(reader, errors="replace") as answer:
        text = answer.read().strip()
    if status is None:
        return f"it took longer than {_SECONDS:.0f} s"
    code = os.waitstatus_to_exitcode(status)
    return "" if code == 0 else text or f"it ended with {f'signal {-code}' if code < 0 else f'status {code}'}"


def _run(install: Callable[[], None], answer: int) -> None:
    """Install and end this process, whatever happens."""
    status = 1
    try:
        install()
        status = 0
    except BaseException as error:  # noqa: BLE001 - it must not return into the program that was forked
        with contextlib.suppress(OSError):
            os.write(answer, f"{type(error).__name__}: {error}".encode(errors="replace")[:4000])
    finally:
        os._exit(status)


def _status(child: int) -> int | None:
    """Wait for the child; None if it was killed because it took too long."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
