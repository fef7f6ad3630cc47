"""Stand-ins for ``torch.cuda.Stream``, ``Event`` and ``Generator``. Kernels run at once; only copies are ordered by stream."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from typing_extensions import Self

from .._events import Kind
from . import _ordering

_ids = itertools.count()


class Stream:
    """``torch.cuda.Stream``."""

    def __init__(
        self, device: Any = None, priority: int = 0, *, _timeline: _ordering.Timeline | None = None, **_: Any
    ) -> None:
        self.device = torch.device("cuda", 0)
        self.priority = priority
        self.stream_id = self.cuda_stream = next(_ids)
        self.timeline = _ordering.Timeline() if _timeline is None else _timeline
        self._outer: list[Stream] = []

    def synchronize(self) -> None:
        _ordering.host_waits(Kind.WAIT, "torch.cuda.Stream.synchronize", timeline=self.timeline)

    def query(self) -> bool:
        self.timeline.finish()
        return True

    def record_event(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_stream(self, stream: Stream) -> None:
        self.timeline.merge(stream.timeline)

    def wait_event(self, event: Event) -> None:
        event.wait(self)

    def __enter__(self) -> Self:
        self._outer.append(current_stream())
        set_stream(self)
        return self

    def __exit__(self, *_: object) -> None:
        set_stream(self._outer.pop())


class Event:
    """``torch.cuda.Event``."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False, **_: Any) -> None:
        self._timeline = _ordering.Timeline()
        self._time: float | None = None

    def record(self, stream: Stream | None = None) -> None:
        self._timeline = (stream or current_stream()).timeline.snapshot()
        self._time = time.perf_counter()

    def wait(self, stream: Stream | None = None) -> None:
        (stream or current_stream()).timeline.merge(self._timeline)

    def query(self) -> bool:
        self._timeline.finish()
        return True

    def elapsed_time(self, end_event: Event) -> float:
        """Return the host milliseconds between the two records, which are not a GPU's time."""
        if self._time is None or end_event._time is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return (end_event._time - self._time) * 1e3

    def synchronize(self) -> None:
        if self._time is not None:  # there is no event on the device before it was recorded
            _ordering.host_waits(Kind.WAIT, "torch.cuda.Event.synchronize", timeline=self._timeline)


_default = Stream(_timeline=_ordering.DEFAULT)
_streams: dict[_ordering.Timeline, Stream] = {_ordering.DEFAULT: _default}


def current_stream(device: Any = None) -> Stream:
    return _streams[_ordering.current()]


def default_stream(device: Any = None) -> Stream:
    return _default


def set_stream(stream: Stream | None) -> None:
    if stream is not None:
        _streams[stream.timeline] = stream
        _ordering.set_current(stream.timeline)


@contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """Implement ``with torch.cuda.stream(s)``; None changes nothing."""
    if stream is None:
        yield
        return
    with stream:
        yield


def synchronize(device: Any = None) -> None:
    """Implement ``torch.cuda.synchronize``."""
    _ordering.host_waits(Kind.WAIT, "torch.cuda.synchronize")
    _ordering.finish_everything()


def synchronize_accelerator(device: Any = None) -> None:
    """Implement ``torch.accelerator.synchronize``; a function of its own, because Dynamo keeps a handler for each of the two."""
    synchronize(device)


class _GeneratorType(type(torch.Generator)):  # type: ignore[misc]  # the metaclass of a C type
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, torch._C.Generator)


class Generator(torch.Generator, metaclass=_GeneratorType):
    """A CPU generator that reports the device it was made for."""

    def __new__(cls, device: Any = "cpu") -> Self:
        generator = super().__new__(cls, "cpu")  # type: ignore[call-arg]
        generator._device = torch.device(device)
        return generator

    _device: torch.device

    @property
    def device(self) -> torch.device:  # type: ignore[override]  # read-only in the C type, too
        return self._device
