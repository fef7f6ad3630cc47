"""``progress_reporting``: the framework's own bar, whose steps a web page of this machine shows as they come.

The page is at ``http://127.0.0.1:8765``, or at the port that ``PROGRESS_PAGE_PORT`` names (0: any free one). It gets server-sent
events. A loop only writes numbers down: it never waits for a reader, and a slow reader is sent the newest state.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from syncfree.hooks.progress_reporting import Bar

PORT_VARIABLE = "PROGRESS_PAGE_PORT"
DEFAULT_PORT = 8765
KEPT = 20
"""Loops on the page: the newest ones."""
SILENCE_S = 15.0
"""After so long without a step a comment is sent, so that a connection whose reader left is noticed and ended."""
_log = logging.getLogger("progress_page")


def progress_reporting(
    iterable: Iterable[Any] | None, total: int | None, rank: int | None, bar: Bar, options: Mapping[str, Any]
) -> Any:
    """Make the bar of the contract's rule, disabled off the job's first rank, and show a bar that is not disabled on the page.

    A bar that has no ``update`` is not on the page. A port that cannot be bound is logged as an error, once, and only the bar is left.
    """
    if rank:
        options = {**options, "disable": True}
    made = bar(iterable=iterable, total=total, **options)
    if not getattr(made, "disable", False) and hasattr(made, "update"):
        _follow(made, PAGE)
    return made


class Page:
    """The loops of this process, and the server that shows them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._loops: dict[int, dict[str, Any]] = {}
        self._version = 0
        self._server: ThreadingHTTPServer | None = None
        self._is_started = False

    @property
    def address(self) -> str | None:
        """Where the page is, None while there is none."""
        return None if self._server is None else f"http://127.0.0.1:{self._server.server_address[1]}"

    def new_loop(self, name: str) -> int:
        """Return the number of a new loop; the first one starts the server."""
        with self._changed:
            number = max(self._loops, default=0) + 1
            self._loops[number] = {"name": name, "done": 0, "total": None, "seconds": 0.0, "is_over": False}
            while len(self._loops) > KEPT:
                del self._loops[min(self._loops)]
            is_first, self._is_started = not self._is_started, True
        if is_first:
            self._start()
        return number

    def report(self, number: int, **state: Any) -> None:
        """Note the new state of a loop and wake the readers; a loop that is no longer on the page is left out."""
        with self._changed:
            if number in self._loops:
                self._loops[number].update(state)
                self._version += 1
                self._changed.notify_all()

    def newer_than(self, seen: int) -> tuple[int, str | None]:
        """Wait for a state newer than the version `seen`; return its version and it as JSON, or None after ``SILENCE_S``."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._version != seen, SILENCE_S):
                return seen, None
            return self._version, json.dumps([{"number": number, **loop} for number, loop in self._loops.items()])

    def _start(self) -> None:
        text = os.environ.get(PORT_VARIABLE, str(DEFAULT_PORT))
        try:
            self._server = _Server(("127.0.0.1", int(text)), _handler_of(self))
        except (OSError, ValueError, OverflowError) as error:
            what = f"progress_page: {PORT_VARIABLE}={text!r} cannot be bound on 127.0.0.1 in process {os.getpid()}"
            _log.error("%s: %s; there is no page, only the bar: set it to a free port, or to 0 for any", what, error)
            return
        threading.Thread(target=self._server.serve_forever, name="progress_page", daemon=True).start()
        _log.warning("progress_page: the progress of process %d is at %s", os.getpid(), self.address)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("progress_page: a connection ended", exc_info=True)


def _handler_of(page: Page) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.headers.get("Host", "").rpartition(":")[0]
            if name not in ("127.0.0.1", "localhost"):  # a foreign site whose name was made to lead here
                self.send_error(403, f"this page is http://127.0.0.1, not {name}")
            elif self.path == "/":
                self._head("text/html; charset=utf-8")
                self.wfile.write(files(__package__).joinpath("page.html").read_bytes())
            elif self.path == "/events":
                self._head("text/event-stream")
                seen = -1
                while True:  # until the reader leaves: writing raises then
                    seen, state = page.newer_than(seen)
                    self.wfile.write(b": still here\n\n" if state is None else f"data: {state}\n\n".encode())
            else:
                self.send_error(404, "there are / and /events")

        def _head(self, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Cache-Control", "no-store")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Write nothing: the terminal is the bar's."""

    return Handler


def _follow(made: Any, page: Page) -> None:
    """Report each ``update`` and the ``close`` of a bar; a loop that iterates over a tqdm updates it at tqdm's own intervals."""
    number = page.new_loop(getattr(made, "desc", None) or "denoising")
    update, close = made.update, made.close

    start = time.monotonic()

    def state() -> dict[str, Any]:
        return {"done": made.n, "total": made.total, "seconds": round(time.monotonic() - start, 2)}

    def reported_update(*args: Any, **kwargs: Any) -> Any:
        result = update(*args, **kwargs)
        page.report(number, **state())
        return result

    def reported_close() -> Any:
        page.report(number, **state(), is_over=True)
        return close()

    made.update, made.close = reported_update, reported_close
    page.report(number, **state())


PAGE = Page()
"""The page of this process."""
