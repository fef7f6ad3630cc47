"""Functions that an adapter puts beside or around a framework's own, outside of the hot path; see `Attachment`."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ._errors import BindingError, describe_error
from ._namespace import ABSENT, is_class, namespace
from ._patch_owner import described
from .adapting import Attachment

_left_behind: dict[tuple[str, int], Attached] = {}
"""Attachments that could not be taken out because somebody had patched over them, by target and identity of what was placed."""


@dataclass(frozen=True, slots=True)
class Attached:
    """An attachment in its place; ``original`` is what the owner had under that name, `ABSENT` for nothing."""

    target: str
    module: ModuleType
    owner: Any
    name: str
    original: Any
    placed: Any

    def take_out(self) -> str | None:
        """Put back what was there; say so when somebody has replaced it since."""
        there = namespace(self.owner).get(self.name, ABSENT)
        if there is not self.placed:
            _left_behind[self.target, id(self.placed)] = self
            by = "deleted" if there is ABSENT else f"replaced by {described(there, self.module)}"
            return f"{self.target} was {by} after syncfree attached to it"
        if self.original is ABSENT:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.original)
        return None


def attach(attachment: Attachment, module: ModuleType) -> Attached:
    """Put one attachment in its place.

    Raises:
        BindingError: the place is not there, the name is taken although the attachment adds one, or `Attachment.make` raises.
    """
    owner: Any = module
    *path, name = attachment.target.split(":")[1].split(".")
    for part in path:
        owner = namespace(owner).get(part)
        if not is_class(owner):
            raise BindingError(
                f"{attachment.target}: there is no {part} in the loaded module, so {attachment.purpose} is missing"
            )
    original = namespace(owner).get(name, ABSENT)
    while (ours := _left_behind.get((attachment.target, id(original)))) is not None:
        original = ours.original  # whoever had patched over it has taken that patch out since
    if (original is ABSENT) is not attachment.adds:
        there = "is not there" if original is ABSENT else "is there already"
        raise BindingError(f"{attachment.target} {there}, so {attachment.purpose} is missing")
    try:
        placed = attachment.make(None if attachment.adds else original)
        setattr(owner, name, placed)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise BindingError(
            f"{attachment.target}: the adapter failed, so {attachment.purpose} is missing: {describe_error(error)}"
        ) from error
    return Attached(attachment.target, module, owner, name, original, placed)
