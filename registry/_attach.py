"""Functions that an adapter puts beside or around a framework's own, outside of the hot path; see `Attachment`."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ._errors import BindingError
from .adapting import Attachment


@dataclass(frozen=True, slots=True)
class Attached:
    """An attachment in its place; ``original`` is what the owner had under that name, None for nothing."""

    target: str
    owner: Any
    name: str
    original: Any
    placed: Any

    def take_out(self) -> str | None:
        """Put back what was there; say so when somebody has replaced it since."""
        if vars(self.owner).get(self.name) is not self.placed:
            return f"{self.target} was replaced again after syncfree attached to it"
        if self.original is None:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.original)
        return None


def attach(attachment: Attachment, module: ModuleType) -> Attached:
    """Put one attachment in its place.

    Raises:
        BindingError: the place is not there, or the name is taken although the attachment adds one.
    """
    owner: Any = module
    *path, name = attachment.target.split(":")[1].split(".")
    for part in path:
        owner = vars(owner).get(part)
        if owner is None:
            raise BindingError(
                f"{attachment.target}: there is no {part} in the loaded module, so {attachment.purpose} is missing"
            )
    original = vars(owner).get(name)
    if (original is None) is not attachment.adds:
        there = "is not there" if original is None else "is there already"
        raise BindingError(f"{attachment.target} {there}, so {attachment.purpose} is missing")
    placed = attachment.make(original)
    setattr(owner, name, placed)
    return Attached(attachment.target, owner, name, original, placed)
