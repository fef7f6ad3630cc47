"""The facts about a value that are known without running the code: a tensor or not, where it lies, whether it is pinned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum


class What(Enum):
    """The kind of a value."""

    TENSOR = "tensor"
    ARRAY = "array"
    """Of NumPy."""
    PYTHON = "python"
    """A number, a string, a list or another object without memory of its own on a device."""
    DEVICE = "device"
    """A device, as ``device=`` takes it; the value's place is what it names."""
    NONE = "none"
    UNKNOWN = "unknown"


class Place(Enum):
    """The place of memory."""

    HOST = "host"
    DEVICE = "device"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Value:
    """The known facts about a value; the default is none.

    Attributes:
        pinned: of memory on the host; None where it is not known.
        mask: a tensor of bools.
        buffer: where its memory was made; views of it have the same, so that a write through one is one to all.
    """

    what: What = What.UNKNOWN
    place: Place = Place.UNKNOWN
    pinned: bool | None = None
    mask: bool = False
    buffer: str = ""

    @property
    def on_host(self) -> bool:
        """Return whether it is known to need no copy to be read by the host."""
        return self.place is Place.HOST or self.what in (What.ARRAY, What.PYTHON, What.NONE)

    @property
    def pageable(self) -> bool:
        """Return whether it is known to be a tensor in memory of the host that is not pinned."""
        return self.what is What.TENSOR and self.place is Place.HOST and self.pinned is False

    @property
    def waits(self) -> bool:
        """Return whether it is known to be a tensor, and not known to be on the host."""
        return self.what is What.TENSOR and not self.on_host

    def computed(self) -> Value:
        """Return what an elementwise function makes of it: new memory, of which the host's is pageable."""
        return replace(self, pinned=False if self.pinned is not None else None, mask=False, buffer="")


UNKNOWN = Value()
PYTHON = Value(What.PYTHON, Place.HOST)
NONE = Value(What.NONE, Place.HOST)
TENSOR = Value(What.TENSOR)
ON_DEVICE = Value(What.TENSOR, Place.DEVICE)


def joined(one: Value, other: Value) -> Value:
    """Return what holds of both; None beside another value is taken for an optional one."""
    if one == other or other.what is What.NONE:
        return one
    if one.what is What.NONE:
        return other
    return Value(
        one.what if one.what is other.what else What.UNKNOWN,
        one.place if one.place is other.place else Place.UNKNOWN,
        one.pinned if one.pinned == other.pinned else None,
        one.mask and other.mask,
        one.buffer if one.buffer == other.buffer else "",
    )


@dataclass
class State:
    """The known facts at one point of a function.

    Attributes:
        values: of names and attributes (``x``, ``self.x``).
        uploading: buffers whose upload was queued and not waited for.
        downloading: buffers whose download was queued and not waited for.
    """

    values: dict[str, Value] = field(default_factory=dict)
    uploading: set[str] = field(default_factory=set)
    downloading: set[str] = field(default_factory=set)

    def copy(self) -> State:
        """Return an independent copy."""
        return State(dict(self.values), set(self.uploading), set(self.downloading))

    def join(self, other: State) -> None:
        """Keep what holds in both; a copy that one of them has queued may be queued."""
        for name in {*self.values, *other.values}:
            here, there = self.values.get(name), other.values.get(name)
            self.values[name] = joined(here, there) if here is not None and there is not None else UNKNOWN
        self.uploading |= other.uploading
        self.downloading |= other.downloading

    def waited(self) -> None:
        """Record that the host waited: everything queued is done."""
        self.uploading.clear()
        self.downloading.clear()
