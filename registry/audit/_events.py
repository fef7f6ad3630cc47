"""The events of an audit (syncs, launches and copies, each with its line of Python) and their receivers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Kind(str, Enum):
    """The reason why the host waited."""

    ITEM = "item"
    H2D = "h2d"
    D2H = "d2h"
    DATA_SHAPE = "data-shape"
    WAIT = "wait"
    STAGED = "staged"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of Python in the stack of a sync."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}"


@dataclass(frozen=True, slots=True)
class Sync:
    """One time that the host waited for the device.

    Attributes:
        op: the operator or API function, ``aten::_local_scalar_dense`` or ``torch.cuda.synchronize``.
        hard: the host waits until the queue has drained. False: it waits only for the driver's staging of pageable memory.
        shape: of the tensor that was read or copied, if any.
        stack: innermost first, without frames of torch and of the auditor.
        seconds: ``time.perf_counter()`` before the wait.
        step: number of `syncfree.audit.step` calls before it in this thread, -1 before the first.
        phase: the name given to that call, or an empty string.
        allowed: the reason of the innermost `syncfree.audit.allow` region, or None.
    """

    kind: Kind
    op: str
    hard: bool
    shape: tuple[int, ...] | None
    stack: tuple[Frame, ...]
    thread: str
    seconds: float
    step: int
    phase: str
    allowed: str | None

    @property
    def where(self) -> Frame:
        """The innermost line of user code; ``<unknown>`` when a thread without Python code waited."""
        return self.stack[0] if self.stack else UNKNOWN


UNKNOWN = Frame("<unknown>", 0, "")
"""Of a thread without Python code."""


@dataclass(frozen=True, slots=True)
class Activity:
    """A launch or a copy that one line of code gives to the device; the host does not wait for it.

    Attributes:
        what: ``kernel launch``, ``graph launch``, ``copy to the device``, ``copy to the host`` or ``copy on the device``.
        op: the operator or API function.
        phase: the name given to the last `syncfree.audit.step` of the thread, or an empty string; None before the first.
    """

    what: str
    op: str
    where: Frame
    phase: str | None


class Sink(Protocol):
    """A receiver of syncs, and of activities where it asks a back end for them."""

    def add(self, sync: Sync) -> None: ...

    def note(self, activity: Activity, bytes_: int) -> None: ...

    def begin_step(self, phase: str) -> None: ...
