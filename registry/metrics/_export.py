"""Export the metrics of this process or job, as the user's settings say.

1. An address: the first process of the job that can bind it serves the metrics of the whole job. The others try again every
   second, so that another one follows when it ends.
2. ``PROMETHEUS_MULTIPROC_DIR``: each process writes its own into that folder, which the framework's endpoint reads.
3. Otherwise a collector in prometheus_client's registry, whose process shows the metrics of the whole job at the framework's
   endpoint.

prometheus_client decides when it is imported whether it is in multiprocess mode. SGLang sets that folder after it has loaded
plugins, so without an address and a folder we wait until the framework has imported it: otherwise SGLang's own metrics of this
process would not be at its endpoint.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from .._errors import describe_error
from .._log import Log, log_of
from ._job import JobCollector, JobReports
from ._multiprocess import FOLDER, MultiprocessWriter
from ._settings import CLIENT, MetricsSettings

if TYPE_CHECKING:
    from .._runtime import Runtime

_SECONDS_BETWEEN = 1.0

_exported = False


def export_metrics(runtime: Runtime, log: Log | None = None) -> None:
    """Export this process's metrics, once, if the user asked for them. Raises nothing."""
    global _exported
    log = log or log_of()
    settings = runtime.selection().metrics
    if settings is None or _exported:
        return
    _exported = True
    try:
        if settings.port or settings.socket:
            client = _client()
            Endpoint(settings, JobCollector(JobReports(runtime), client), client, log).start()
        elif os.environ.get(FOLDER) or CLIENT in sys.modules:
            _export_with_framework(runtime)
        else:
            _Later(runtime, log).start()
    except Exception as error:  # noqa: BLE001 - the program matters more than its metrics; the reason is logged
        _failed(log, error)


def _client() -> Any:
    import_module(f"{CLIENT}.core")  # the families of a collector
    return import_module(CLIENT)


def _export_with_framework(runtime: Runtime) -> None:
    client = _client()
    if os.environ.get(FOLDER):
        MultiprocessWriter(runtime, client).start()
    else:
        client.REGISTRY.register(JobCollector(JobReports(runtime), client))


def _failed(log: Log, error: Exception) -> None:
    log.error("syncfree: no metrics of this process are exported: %s", describe_error(error))


class _Background:
    """Runs a thread in this process, and in every child that is forked, whose threads are gone."""

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system allows no more threads.
        """
        os.register_at_fork(after_in_child=self._in_child)
        self._start()

    def _start(self) -> None:
        threading.Thread(target=self._run, name="syncfree metrics", daemon=True).start()

    def _in_child(self) -> None:
        if self._is_wanted():
            with suppress(RuntimeError):
                self._start()

    def _is_wanted(self) -> bool:
        """Return whether a child needs the thread, too."""
        return True

    def _run(self) -> None:
        raise NotImplementedError


class _Later(_Background):
    """Exports when the framework has imported prometheus_client; never where it does not."""

    def __init__(self, runtime: Runtime, log: Log) -> None:
        self._runtime = runtime
        self._log = log
        self._done = False

    def _is_wanted(self) -> bool:
        return not self._done

    def _run(self) -> None:
        while CLIENT not in sys.modules:
            time.sleep(_SECONDS_BETWEEN)
        self._done = True
        try:
            _export_with_framework(self._runtime)  # waits for an import that another thread is in the middle of
        except Exception as error:  # noqa: BLE001 - as in `export_metrics`
            _failed(self._log, error)


class Endpoint(_Background):
    """Serves the metrics of the job at an address, in the first of its processes that can."""

    def __init__(self, settings: MetricsSettings, collector: JobCollector, client: Any, log: Log) -> None:
        registry = client.CollectorRegistry()
        registry.register(collector)
        self._application = client.make_wsgi_app(registry)
        self._settings = settings
        self._log = log

    def _run(self) -> None:
        while True:
            try:
                server = self._bound()
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    self._log.error("syncfree: metrics cannot be served at %s: %s", self._settings.where, error.strerror)
                    return
            else:
                self._log.info("syncfree: the metrics of this job are at %s", self._settings.where)
                with server:
                    server.serve_forever()
            time.sleep(_SECONDS_BETWEEN)

    def _bound(self) -> WSGIServer:
        path, of_family = self._settings.socket, _V6Server if ":" in self._settings.host else _Server
        if not path:
            return make_server(self._settings.host, self._settings.port, self._application, of_family, _Handler)
        if os.path.exists(path) and not _listens(path):
            with suppress(OSError):
                os.unlink(path)  # left behind by a process that was killed
        return make_server(path, 0, self._application, _UnixServer, _Handler)


class _Handler(WSGIRequestHandler):
    """Logs nothing, into the log of the framework or elsewhere."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Log nothing."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking DNS for the name of the address, which the base class waits for."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a process that has ended linger
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", 0
        self.setup_environ()


class _V6Server(_Server):
    address_family = socket.AF_INET6


class _UnixServer(_Server):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        """Bind to the path."""
        path: Any = self.server_address[0]  # `make_server` gives it a port, too
        self.server_address = path
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Return a connection with an address of the form that the handler expects."""
        connection, _ = super().get_request()
        return connection, ("unix", 0)


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.settimeout(0.2)
        try:
            other.connect(path)
        except OSError:
            return False
    return True
