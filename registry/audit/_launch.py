"""Run a command as if the auditing process were not there: same descriptors, same terminal, same signals.

The auditing process waits in one thread, for signals and for the next poll of the command's processes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ._errors import AuditError
from ._watch import Watch

_PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
_PATIENCE = 2.0
_SET_DEATH_SIGNAL = 1
_SET_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Held:
    """The signal state before `holding_signals`: the mask, and the handler of SIGCHLD."""

    mask: set[int]
    of_children: signal.Handlers


@contextmanager
def holding_signals() -> Iterator[Held]:
    """Block signals until this process has removed its files; `run` forwards them. Ignored signals stay ignored."""
    ignored = {number for number in _PASSED_ON if signal.getsignal(number) == signal.SIG_IGN}
    of_children = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if it were ignored, the command's status would be lost
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*_PASSED_ON, signal.SIGCHLD} - ignored)
    try:
        yield Held({int(number) for number in mask}, signal.SIG_IGN if of_children == signal.SIG_IGN else signal.SIG_DFL)
    finally:
        while signal.sigtimedwait(_PASSED_ON, 0) is not None:
            pass  # meant for the command, which has ended
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGCHLD, of_children)


def run(command: list[str], environment: dict[str, str], held: Held) -> tuple[int, Watch]:
    """Run a command until it ends, then wait up to two seconds for its remaining Python processes.

    Returns its status (negative for a signal) and the watch that saw its processes.

    Raises:
        AuditError: the command cannot be started.
    """
    with _as_subreaper():
        watch = Watch()
        with _started(command, environment, held) as process:
            watch.command = process.pid
            asked_to_end = _follow(process, watch)
        if asked_to_end:
            _pass_on_to_group(watch, asked_to_end)
        _let_end(watch)
        return process.returncode, watch


def _started(command: list[str], environment: dict[str, str], held: Held) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def in_child() -> None:
        _libc.prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)  # so that a SIGKILL of the auditing process also ends the command
        if os.getppid() != parent:
            os._exit(1)
        signal.signal(signal.SIGCHLD, held.of_children)
        signal.pthread_sigmask(signal.SIG_SETMASK, held.mask)

    try:
        # The command inherits descriptors that the caller's shell opened; this process has opened none that are inheritable.
        return subprocess.Popen(command, env=environment, close_fds=False, preexec_fn=in_child)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise AuditError(f"cannot run {command[0]!r}: {reason}; give the command after --") from error


def _follow(process: subprocess.Popen[bytes], watch: Watch) -> int:
    """Wait for the command and forward signals to it; return the last one that asked it to end, 0 when none did."""
    asked_to_end = 0
    while True:
        pause = watch.look()
        if process.poll() is not None:
            return asked_to_end
        received = signal.sigtimedwait((*_PASSED_ON, signal.SIGCHLD), pause)
        if received is None or received.si_signo not in _PASSED_ON:
            continue  # after a stop and a continue of this process the number may be none at all
        if received.si_signo in _ENDING:
            asked_to_end = received.si_signo
        # Signals from the terminal, or from the program to its process group, reach the command without us.
        if received.si_code <= 0 and not watch.is_member(received.si_pid):
            process.send_signal(received.si_signo)


def _pass_on_to_group(watch: Watch, number: int) -> None:
    """Send the signal also to the processes that the command left running, except those outside its process group."""
    watch.look()
    for member in watch.living():
        try:
            if os.getpgid(member.pid) == os.getpgrp():
                os.kill(member.pid, number)
        except ProcessLookupError:
            continue  # it has ended meanwhile


def _let_end(watch: Watch) -> None:
    """Give helper processes that end with the command, such as those of multiprocessing, time to do so."""
    end = time.monotonic() + _PATIENCE
    while True:
        pause = watch.look()
        if time.monotonic() > end or not any(member.program.is_python for member in watch.living()):
            return
        signal.sigtimedwait(_PASSED_ON, pause)


@contextmanager
def _as_subreaper() -> Iterator[None]:
    if not sys.platform.startswith("linux") or not os.path.exists("/proc/self/stat"):
        raise AuditError("syncfree audit follows the processes of its command through Linux's /proc, which does not exist here")
    if _libc.prctl(_SET_SUBREAPER, 1) != 0:
        raise AuditError(f"cannot become the subreaper of the command's processes: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        _libc.prctl(_SET_SUBREAPER, 0)
