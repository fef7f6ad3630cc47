"""The locks of a runtime, and the order in which locks are taken.

A thread takes them in this order only; any other order can deadlock:

1. importlib's locks: the global import lock, which is held while finders are called, and the lock of each module, which is
   held while that module is executed. Our callback after a module's execution runs under that module's lock.
2. `Locks.changing`: one change at a time, from its last check to its last assignment. Held while ranks agree, which takes
   as long as they wait for each other.
3. `Locks.state`: held while a change is assigned and while it is read, for microseconds.

So nothing is imported, judged, composed or logged under 2 or 3, because that may take 1 or call foreign code; and a finder
takes neither, because the thread that holds them may be waiting for the global import lock. Work that may fail or import is
prepared without a lock, and prepared again when `Locks.generation` shows that another change came first.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ._errors import SelectionError
from ._modules import anything_importing

_SECONDS_BEFORE_FORK = 10.0
_SECONDS_FOR_OTHERS = 5.0
_ROUNDS = 3


class Nesting(threading.local):
    """The depth at which a thread is nested in a piece of work: foreign code that runs inside it may call us again."""

    depth = 0

    @contextmanager
    def entered(self) -> Iterator[bool]:
        """Enter the work; yields whether this is the outermost entry, the only one with a result to keep."""
        self.depth += 1
        try:
            yield self.depth == 1
        finally:
            self.depth -= 1


class Locks:
    """The two locks of a runtime, and the number of changes that were made under them."""

    def __init__(self) -> None:
        self.generation = 0
        self.state = threading.RLock()
        self._change = threading.Lock()
        self._owner: int | None = None
        self._taken_for_fork = False
        self._importing = False
        self.forked_during_import = False
        self._preparing = Nesting()
        self._urgent: int | None = None
        self._calm = threading.Event()
        self._calm.set()
        os.register_at_fork(before=self._before_fork, after_in_parent=self._after_fork, after_in_child=self._in_child)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock for changes; wait while another thread holds it.

        Raises:
            SelectionError: this thread holds it already: a signal handler or a finalizer interrupted a change.
        """
        if self.interrupted:
            raise SelectionError(
                "syncfree: this call interrupts a change that the same thread is making, as a signal handler does; "
                "nothing was changed: call it again later, or from another thread"
            )
        with self._change:
            self._owner = threading.get_ident()
            try:
                yield
            finally:
                self._owner = None

    @contextmanager
    def preparing(self, round_number: int) -> Iterator[None]:
        """Prepare a change; from the third round on, switches of other threads wait until this one is made."""
        with self._preparing.entered():
            if round_number >= _ROUNDS:
                self._urgent = threading.get_ident()
                self._calm.clear()
            yield

    def prepared(self) -> None:
        """Release the switches of other threads that waited for this thread."""
        if self._urgent == threading.get_ident():
            self._urgent = None
            self._calm.set()

    def admit_switch(self) -> None:
        """Wait until a switch may begin: after another thread's change that switches have repeatedly made stale.

        Raises:
            SelectionError: this thread is preparing a change: a switch in foreign code that runs there, such as a callback of
                the garbage collector, would make it stale every time.
        """
        if self._preparing.depth or self._urgent == threading.get_ident():  # it would wait for itself
            raise SelectionError(
                "syncfree: this call comes from code that runs while the same thread prepares a change; "
                "nothing was changed: call it again later, or from another thread"
            )
        self._calm.wait(_SECONDS_FOR_OTHERS)

    @property
    def interrupted(self) -> bool:
        """Whether this thread is in the middle of a change."""
        return self._owner == threading.get_ident()

    @property
    def is_preparing(self) -> bool:
        """Whether this thread is preparing a change, and may be in the middle of an import for it."""
        return self._preparing.depth > 0

    def _before_fork(self) -> None:
        # A child must not see half of a change. With a timeout, because we must never make a fork hang.
        self._taken_for_fork = self.state.acquire(timeout=_SECONDS_BEFORE_FORK)
        self._importing = anything_importing()

    def _after_fork(self) -> None:
        if self._taken_for_fork:
            self.state.release()

    def _in_child(self) -> None:
        # The lock of a module that another thread was importing is held for ever: CPython gives a child no new ones.
        self.forked_during_import = self._importing
        # The threads that held them do not exist in the child.
        self._urgent = None
        self._calm = threading.Event()
        self._calm.set()
        self.state = threading.RLock()
        self._change = threading.Lock()
        self._owner = None
