"""The attachments of a process: made when their modules have been executed, undone by `restore`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from ._attach import Attached, attach
from ._errors import BindingError
from ._locks import Locks
from ._log import log_of
from .adapting import Adapter, Attachment


class Attachments:
    """Attachments that were made, and those that wait for their modules; see `adapting.Attachment`."""

    def __init__(self, locks: Locks, is_executed: Callable[[str], bool], is_loaded: Callable[[str], bool]) -> None:
        """Make an empty set.

        Args:
            locks: of the runtime.
            is_executed: returns whether a module has been executed.
            is_loaded: returns whether a framework is loaded; an attachment to one that was restored meanwhile is undone.
        """
        self._locks = locks
        self._is_executed = is_executed
        self._is_loaded = is_loaded
        self._made: tuple[Attached, ...] = ()
        self._waiting: Sequence[tuple[Attachment, Adapter]] = ()

    def add(self, adapter: Adapter) -> None:
        """Add the attachments of a framework that is being loaded, to be made by `make_ready`; call it under both locks."""
        self._waiting = [*self._waiting, *((attachment, adapter) for attachment in adapter.attachments)]

    def make_ready(self) -> None:
        """Make the attachments to modules that have been executed; a failure is logged as a warning."""
        with self._locks.changing():
            ready = [one for one in self._waiting if self._is_executed(one[0].module)]
            self._waiting = [one for one in self._waiting if one not in ready]
        for attachment, adapter in ready:
            try:
                attached = attach(attachment, sys.modules[attachment.module])
            except BindingError as error:
                log_of(adapter.logger).warning("syncfree: %s", error)
                continue
            with self._locks.state:
                if self._is_loaded(adapter.framework):
                    self._made += (attached,)
                    continue
            attached.undo()  # restored meanwhile

    def undo(self) -> list[str]:
        """Undo all, and forget what waits; return what could not be undone. Call it under both locks."""
        left = [message for attached in self._made if (message := attached.undo()) is not None]
        self._made, self._waiting = (), ()
        return left
