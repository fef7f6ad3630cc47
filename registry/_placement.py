"""An attribute of a framework's module or class that was replaced by assignment, and how that is undone."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ._errors import BindingError
from ._namespace import ABSENT, class_name, is_class, member, namespace
from ._target import Target

_PLAIN = (member(type, "__setattr__"), member(ModuleType, "__setattr__"))


@dataclass
class Placement:
    """One replaced attribute.

    Attributes:
        target: its name.
        module: the module that was loaded when it was looked up.
        owner: the class or module that holds it.
        original: the raw attribute, as found in the owner's ``__dict__`` (a staticmethod or classmethod object, too);
            `ABSENT` where there was none.
        placed: the raw attribute that takes its place.
    """

    target: Target
    module: ModuleType
    owner: Any
    original: Any
    placed: Any

    @property
    def current(self) -> Any:
        """The raw attribute that is there now; `ABSENT` where there is none."""
        return namespace(self.owner).get(self.target.name, ABSENT)

    def put(self) -> None:
        """Put `placed` there."""
        setattr(self.owner, self.target.name, self.placed)

    def put_back(self, original: Any) -> None:
        """Put the original, or what somebody else had put there before, in the place of what is there."""
        if original is ABSENT:
            delattr(self.owner, self.target.name)
        else:
            setattr(self.owner, self.target.name, original)

    def take_out(self) -> bool:
        """Put the original back where `placed` still is; return whether it was."""
        if self.current is not self.placed:
            return False
        self.put_back(self.original)
        return True


def look_up(module: ModuleType, target: Target) -> tuple[Any, Any]:
    """Return the owner of a target in a loaded module, and the raw attribute there, `ABSENT` where there is none.

    Raises:
        BindingError: a class around it is not there, or the attribute cannot be replaced by assignment.
    """
    owner: Any = module
    for name in target.classes:
        owner = namespace(owner).get(name)
        if not is_class(owner):
            raise BindingError(f"{target} is not in the loaded module: there is no class {name}")
    if member(type(owner), "__setattr__") not in _PLAIN:
        raise BindingError(f"{target}: {class_name(type(owner))} has its own way of setting attributes")
    return owner, namespace(owner).get(target.name, ABSENT)
