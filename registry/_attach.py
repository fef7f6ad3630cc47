"""Functions that an adapter adds to a framework or wraps around its own, outside the hot path; see `Attachment`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from ._errors import BindingError, describe_error
from ._namespace import ABSENT
from ._patch_owner import described
from ._placement import Placement, look_up
from ._target import parse
from .adapting import Attachment

_left_behind: dict[tuple[str, int], Attached] = {}
"""Attachments that could not be removed because other code had patched over them, by target and ``id`` of the placed object."""


class _Switch:
    """The callee of an attached function: the adapter's function, or upstream's once the attachment has been undone."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


@dataclass
class Attached(Placement):
    """An attachment in its place."""

    switch: _Switch

    def undo(self) -> str | None:
        """Restore the original; return a sentence when other code has replaced the attached function since.

        Code that still calls the attached function, such as a patch over it, reaches upstream's from now on.
        """
        if self.original is not ABSENT:
            self.switch.function = self.original
        if self.take_out():
            return None
        _left_behind[str(self.target), id(self.placed)] = self
        by = "deleted" if self.current is ABSENT else f"replaced by {described(self.current, self.module)}"
        return f"{self.target} was {by} after syncfree attached to it"


def attach(attachment: Attachment, module: ModuleType) -> Attached:
    """Attach one function.

    Raises:
        BindingError: the target is missing, its name exists although the attachment adds it, or `Attachment.make` raises.
    """
    target, missing = parse(attachment.target), f"so {attachment.purpose} is missing"
    try:
        owner, original = look_up(module, target)
    except BindingError as error:
        raise BindingError(f"{error}, {missing}") from error
    while (ours := _left_behind.get((attachment.target, id(original)))) is not None:
        original = ours.original  # the patch over it has been removed since
    if (original is ABSENT) is not attachment.adds:
        state = "does not exist" if original is ABSENT else "exists already"
        raise BindingError(f"{target} {state}, {missing}")
    try:
        made = attachment.make(None if attachment.adds else original)
        switch = _Switch(made)
        attached = Attached(target, module, owner, original, _calling(switch), switch)
        attached.put()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise BindingError(f"{target}: the adapter failed, {missing}: {describe_error(error)}") from error
    return attached


def _calling(switch: _Switch) -> Any:
    """Return a function that calls the switch's current function; anything but a plain function is returned as it is."""
    if type(switch.function) is not FunctionType:
        return switch.function

    @functools.wraps(switch.function)
    def function(*args: Any, **kwargs: Any) -> Any:
        return switch.function(*args, **kwargs)

    return function
