"""The socket of this process and the thread that waits at it.

It is made when the hooks of the first framework have been loaded, and again in a forked child, which never uses its parent's.
Nothing here may disturb the program: whatever fails is one line in the log. The thread blocks all signals, so that the
program's own threads get them.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import threading
import time
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import SyncfreeError, describe_error
from .._log import Log, log_of
from ._answers import Answers
from ._client import forget_ended
from ._decision import forget_old_decisions
from ._directory import RunDirectoryError, address, new_name, usable
from ._identity import job_of
from ._link import LONGEST_REQUEST, Link, LinkError, user_of
from ._store import default_store, nothing, reference

if TYPE_CHECKING:
    from .._runtime import Runtime

_SECONDS_TO_ASK = 5.0
_SECONDS_TO_ANSWER = 5.0
_SECONDS_BEFORE_A_CHILD_LISTENS = 0.2
"""A child that is forked to run another program is gone by then."""
_SECONDS_BETWEEN_LOOKS = 1.0
"""The interval at which a process group is looked for, whose ranks on other machines can be reached from then on."""
_AT_ONCE = 16
_WAITING = 128
_SPARE_DESCRIPTORS = 32

_server: Server | None = None
_at_fork_registered = False


def listen(runtime: Runtime, environ: MutableMapping[str, str] = os.environ, log: Log | None = None) -> None:
    """Make this process reachable, unless it is already or the user does not want it. Raises nothing."""
    global _server, _at_fork_registered
    log = log or log_of()
    try:
        if _server is not None or not runtime.enabled or not runtime.selection().control:
            return
        server = Server(runtime, environ, log)
        server.open()
        server.start()
        _server = server
        if not _at_fork_registered:
            _at_fork_registered = True
            os.register_at_fork(after_in_child=_in_child)
            atexit.register(stop)
    except Exception as error:  # noqa: BLE001 - the program matters more than being reached; the reason is logged
        log.info(
            "syncfree: this process cannot be reached by `syncfree ps` and `syncfree toggle`: %s", describe_error(error)
        )


def stop() -> None:
    """Remove this process's socket; nothing listens afterwards."""
    global _server
    server, _server = _server, None
    if server is not None:
        server.close()


def _in_child() -> None:
    global _server
    parents, _server = _server, None
    if parents is not None:
        _server = parents.of_child()


class Server:
    """The socket of one process."""

    def __init__(self, runtime: Runtime, environ: MutableMapping[str, str], log: Log) -> None:
        self._runtime = runtime
        self._parents_store = nothing
        self._environ = environ
        self._log = log
        self._job = ""
        self._directory: Path | None = None
        self._name = ""
        self._socket: socket.socket | None = None
        self._number: tuple[int, int] | None = None
        self._pid = os.getpid()
        self._answering = threading.BoundedSemaphore(_AT_ONCE)
        self._answers: Answers | None = None

    def open(self) -> None:
        """Make the socket.

        Raises:
            OSError, RunDirectoryError: the system refuses.
        """
        if not hasattr(socket, "SO_PEERCRED"):
            raise RunDirectoryError("this system does not tell which user is at the other end of a socket")
        self._job = job_of(self._environ)
        directory, name = usable(self._environ), new_name(self._job)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(None)  # whatever default the program has set for its own
        # Under another name until it listens: a socket that refuses connections is taken for one that was left behind.
        unready = f"{name}.new"
        try:
            _spare_descriptors(made)
            with address(directory, unready) as path:
                made.bind(path)
            made.listen(_WAITING)
            os.rename(os.path.join(directory, unready), os.path.join(directory, name))
        except BaseException:
            made.close()
            with suppress(OSError):
                os.unlink(os.path.join(directory, unready))
            raise
        made.settimeout(_SECONDS_BETWEEN_LOOKS)
        self._directory, self._name, self._socket = directory, name, made
        self._answers = Answers(self._runtime, self, self._job, directory, self._log)
        self._answers.follower.ignore(self._parents_store)
        self._number = _number_of(made)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system allows no more threads.
        """
        try:
            threading.Thread(target=self._serve, name="syncfree control", daemon=True).start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the socket, if it is this process's own."""
        if self._pid != os.getpid():
            return
        if self._directory is not None:
            with suppress(OSError):
                os.unlink(os.path.join(self._directory, self._name))
        if self._socket is not None and self._is_open(self._socket):
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # the thread stops waiting
        self._drop()

    def of_child(self) -> Server | None:
        """Return the server of a forked child, which listens after a moment; called in the child. Raises nothing."""
        with suppress(OSError):
            self._drop()
        server = Server(self._runtime, self._environ, self._log)
        server._parents_store = reference(default_store())
        try:
            threading.Thread(target=server._serve_later, name="syncfree control", daemon=True).start()
        except RuntimeError as error:
            self._log.info("syncfree: this forked process cannot be reached by `syncfree ps`: %s", error)
            return None
        return server

    def _drop(self) -> None:
        """Close the socket's descriptor, unless the program has closed it and given its number to another file."""
        if self._socket is not None and self._is_open(self._socket):
            self._socket.close()
        elif self._socket is not None:
            self._socket.detach()
        self._socket = None

    def _is_open(self, listening: socket.socket) -> bool:
        try:
            return _number_of(listening) == self._number
        except OSError:
            return False

    def _serve_later(self) -> None:
        _block_signals()
        time.sleep(_SECONDS_BEFORE_A_CHILD_LISTENS)
        try:
            self.open()
        except Exception as error:  # noqa: BLE001 - see `listen`
            self._log.info("syncfree: this forked process cannot be reached by `syncfree ps`: %s", describe_error(error))
            return
        self._serve()

    def _serve(self) -> None:
        _block_signals()
        if self._directory is not None:
            forget_old_decisions(self._directory)
            forget_ended(self._directory)
        # A program that becomes a daemon closes every descriptor, and the number may be another file's since.
        while (listening := self._socket) is not None and self._is_open(listening):
            try:
                if self._answers is not None:
                    self._answers.follower.watch()
                connection, _ = listening.accept()
                connection.settimeout(None)
            except TimeoutError:
                continue
            except (OSError, RuntimeError):
                time.sleep(0.1)  # no descriptor or no memory is left at this moment, or the socket is being closed
                continue
            try:
                self._admit(connection)
            except Exception as error:  # noqa: BLE001 - the next one can be answered
                connection.close()
                self._log.debug("syncfree: a request could not be answered: %s", describe_error(error))

    def _admit(self, connection: socket.socket) -> None:
        """Answer in a thread of its own, so that one who does not speak keeps nobody else waiting."""
        if user_of(connection) != os.geteuid() or not self._answering.acquire(blocking=False):
            connection.close()
            return
        try:
            threading.Thread(target=self._answer, args=(connection,), name="syncfree control answer", daemon=True).start()
        except BaseException:
            self._answering.release()
            raise

    def _answer(self, connection: socket.socket) -> None:
        _block_signals()
        link = Link(connection, LONGEST_REQUEST)
        try:
            request = link.receive(_SECONDS_TO_ASK)
            if request is not None and self._answers is not None:
                self._answers.answer(request, link)
        except LinkError:
            return  # nobody is there any more, or it is not one of our commands
        except SyncfreeError as error:
            self._say(link, {"error": str(error)})
        except Exception as error:  # noqa: BLE001 - the command gets the reason
            self._say(link, {"error": describe_error(error)})
        finally:
            link.close()
            self._answering.release()

    def _say(self, link: Link, message: dict[str, Any]) -> None:
        with suppress(LinkError):
            link.send(message, _SECONDS_TO_ANSWER)


def _spare_descriptors(listening: socket.socket) -> None:
    """Raise `OSError` where our descriptor would be one of the last that the program may open."""
    spare: list[int] = []
    try:
        for _ in range(_SPARE_DESCRIPTORS):
            spare.append(os.dup(listening.fileno()))
    finally:
        for descriptor in spare:
            os.close(descriptor)


def _number_of(listening: socket.socket) -> tuple[int, int]:
    status = os.fstat(listening.fileno())
    return status.st_dev, status.st_ino


def _block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
