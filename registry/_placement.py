"""Replace an attribute of a framework's module or class by assignment, and undo that."""

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
        target: the attribute's name.
        module: the module that was loaded at the look-up.
        owner: the class or module that holds it.
        original: the raw attribute in the owner's ``__dict__`` (may be a staticmethod or classmethod object); `ABSENT`
            where it did not exist.
        placed: the raw attribute that replaces it.
    """

    target: Target
    module: ModuleType
    owner: Any
    original: Any
    placed: Any

    @property
    def current(self) -> Any:
        """The raw attribute of the owner now; `ABSENT` where it does not exist."""
        return namespace(self.owner).get(self.target.name, ABSENT)

    def put(self) -> None:
        """Assign `placed`."""
        setattr(self.owner, self.target.name, self.placed)

    def put_back(self, original: Any) -> None:
        """Assign the original, or another earlier value; delete the attribute for `ABSENT`."""
        if original is ABSENT:
            delattr(self.owner, self.target.name)
        else:
            setattr(self.owner, self.target.name, original)

    def take_out(self) -> bool:
        """Restore the original if the attribute still is `placed`; return whether it was."""
        if self.current is not self.placed:
            return False
        self.put_back(self.original)
        return True


def look_up(module: ModuleType, target: Target) -> tuple[Any, Any]:
    """Return the owner of a target in a loaded module, and the raw attribute, `ABSENT` where it does not exist.

    Raises:
        BindingError: a class around it does not exist, or the attribute cannot be replaced by assignment.
    """
    owner: Any = module
    for name in target.classes:
        owner = namespace(owner).get(name)
        if not is_class(owner):
            raise BindingError(f"{target} is not in the loaded module, which has no class {name}")
    if member(type(owner), "__setattr__") not in _PLAIN:
        raise BindingError(f"{target}: {class_name(type(owner))} defines its own __setattr__")
    return owner, namespace(owner).get(target.name, ABSENT)
