"""The store of the job's default process group, as far as a toggle needs it.

Every operation is one short exchange with the store's server. Nothing here waits for a key at the server, because torch logs a
warning with a stack trace for a wait that ends without its key. Whoever expects a key looks for it again and again. The
connection is a copy of our own, so that no other user of the store waits for us while a server that was stopped does not answer;
an operation ends when the server goes on, or with the connection. A rank that guessed the outcome of a toggle meanwhile could
guess wrong.

A copy of a store whose server has gone logs such a warning at its next use. A second connection, at which nothing is said, tells
before: it ends with the server. An operation under way while the server's process ends still logs it.
"""

from __future__ import annotations

import json
import socket
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .._errors import one_line
from .._modules import fully_imported
from .._process_group import Rank, current_rank
from ._link import LinkError

T = TypeVar("T")

_PREFIX = "syncfree/control"
_SECONDS_TO_CONNECT = 5.0


class StoreError(LinkError):
    """The job's store cannot be used, or cannot any more."""


def default_store() -> Any | None:
    """Return torch's default store; None without a process group."""
    if current_rank() is None:
        return None
    distributed: Any = fully_imported("torch.distributed.distributed_c10d")
    try:
        return distributed._get_default_store()  # torch has no public accessor
    except (AttributeError, KeyError, ValueError, RuntimeError):
        return None  # the group is being made or destroyed at this moment


def nothing() -> Any | None:
    """Return None, as a reference to a store that is gone does."""
    return None


def reference(store: Any | None) -> Callable[[], Any | None]:
    """Return a weak reference to a store: a strong one would keep its server alive."""
    return nothing if store is None else weakref.ref(store)


class JobStore:
    """Our own connection to the store of the default process group.

    Args:
        origin: that store.
        rank: of this process.

    Attributes:
        rank: of this process.

    Raises:
        StoreError: ranks on several machines cannot agree through a store of this kind, or its server has gone.
    """

    def __init__(self, origin: Any, rank: Rank) -> None:
        self.rank = rank
        self._origin = reference(origin)
        underlying = getattr(origin, "_underlying_non_prefix_store", origin)
        if not (hasattr(underlying, "host") and hasattr(origin, "clone")):
            kind = type(underlying).__name__
            raise StoreError(
                f"the job's store is a {kind}, and only a TCPStore of torch 2.9 or later connects processes for a toggle"
            )
        try:
            self._watched = socket.create_connection((underlying.host, underlying.port), timeout=_SECONDS_TO_CONNECT)
        except OSError as error:
            raise StoreError(f"the job's store does not answer: {error}") from error
        try:
            self._watched.setblocking(False)
            self._store = self._checked(origin.clone)
        except BaseException:
            self._watched.close()
            raise

    def is_of(self, origin: Any) -> bool:
        """Return whether this is a connection to that store."""
        return self._origin() is origin

    def set(self, key: str, value: Any) -> None:
        """Write a JSON-serializable value."""
        text = json.dumps(value)
        self._do(lambda store: store.set(_key(key), text))

    def get(self, key: str) -> Any | None:
        """Return a value; None where nothing is written."""
        values = self.get_all([key])
        return None if values is None else values[0]

    def get_all(self, keys: Sequence[str]) -> list[Any] | None:
        """Return the values of these keys; None unless all of them are written."""
        named = [_key(key) for key in keys]

        def read(store: Any) -> list[Any] | None:
            return [json.loads(value) for value in store.multi_get(named)] if store.check(named) else None

        return self._do(read)

    def has(self, key: str) -> bool:
        """Return whether something is written."""
        return bool(self._do(lambda store: store.check([_key(key)])))

    def next_number(self, key: str) -> int:
        """Return 1 at the first call on any rank, and one more at each."""
        return int(self._do(lambda store: store.add(_key(key), 1)))

    def last_number(self, key: str) -> int:
        """Return the last of `next_number`; 0 before the first."""
        return int(self._do(lambda store: store.add(_key(key), 0)))

    def settle(self, key: str, value: str) -> str:
        """Write a value unless there is one; return what is written then."""
        return str(self._do(lambda store: store.compare_set(_key(key), "", value)).decode())

    def forget(self, keys: Sequence[str]) -> None:
        """Remove values."""
        self._do(lambda store: [store.delete_key(_key(key)) for key in keys])

    def close(self) -> None:
        """Close both connections."""
        self._watched.close()
        self._store = None

    def _do(self, operation: Callable[[Any], T]) -> T:
        store = self._store
        try:
            if store is None or self._watched.recv(1, socket.MSG_PEEK) == b"":
                raise StoreError("the job's store has gone")
        except BlockingIOError:
            pass  # nothing is said there, as long as the server lives
        except OSError as error:
            raise StoreError(f"the job's store has gone: {error.strerror}") from error
        return self._checked(lambda: operation(store))

    @staticmethod
    def _checked(operation: Callable[[], T]) -> T:
        try:
            return operation()
        except (RuntimeError, ValueError) as error:  # torch raises RuntimeErrors of its own, json ValueErrors
            raise StoreError(f"the job's store failed: {one_line(str(error), 200)}") from error


def outcome_key(decision: str) -> str:
    """Return the key of a toggle's outcome."""
    return f"{decision}/outcome"


def _key(name: str) -> str:
    return f"{_PREFIX}/{name}"
