"""Check that a target holds the function that the module's source defines.

An object's own attributes prove nothing: a proxy forwards ``__code__`` and ``__class__``, ``functools.wraps`` copies
``__module__`` and sets ``__wrapped__``. From the outside in, a target may hold

1. a ``staticmethod`` or ``classmethod``, where the source has that decorator, and only there;
2. for the function that the adapter's form says the module wraps it with (`Form.wrapped_by`), and for each further decorator
   of the source, in its order, at most one wrapper: made by that decorator or in its package, and holding the next one;
3. a plain function with the globals of the module and the code that a definition in the module's source compiles to.

Anything else is a monkey patch.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ._compiled import compiled, functions, same_code
from ._decorators import decorators
from ._errors import BindingError
from ._namespace import ABSENT, class_name, globals_of, held_by, is_module, member, namespace, packages
from ._placement import look_up
from ._target import Target
from .fingerprints._definitions import SourceUnreadable

METHODS = (staticmethod, classmethod)


@dataclass(frozen=True, slots=True)
class Source:
    """A loaded module with its source text and the code compiled from it."""

    name: str
    module: ModuleType
    lines: list[str]
    code: CodeType

    @classmethod
    def of(cls, module: Any, name: str) -> Source:
        """Read the source of the module that is loaded under this name.

        Raises:
            BindingError: it is not a module, or its source cannot be read.
        """
        if not is_module(module):
            raise BindingError(f"{name} in sys.modules is not a module, but a {class_name(type(module))}")
        file = globals_of(module).get("__file__")
        if file is None:
            raise BindingError(f"{name} has no source file")
        try:
            return cls(name, module, Path(file).read_text("utf-8").split("\n"), compiled(module, name))
        except (OSError, UnicodeDecodeError) as error:
            raise BindingError(f"{file} cannot be read: {error}") from error

    def function_in(self, raw: object, owner: Any, qualname: str, wrapped_by: str = "") -> FunctionType | None:
        """Return the function that the source defines under this name, if this raw attribute is it or wraps it; else None.

        Args:
            raw: the attribute.
            owner: the class or module that has it.
            qualname: its name in the module.
            wrapped_by: the function with which the module wraps it after its definition; empty where it does not.

        Raises:
            BindingError: the source defines no such function.
        """
        codes = list(functions(self.code, qualname.split(".")))
        if not codes:
            raise BindingError(f"{self.name} has no definition of {qualname} in its source")
        for code in codes:
            try:
                written = decorators(self.lines, code.co_firstlineno)
            except SourceUnreadable as error:
                raise BindingError(f"{self.name}: {error}") from error
            outermost_first = [[wrapped_by], *written] if wrapped_by else written
            found = self._under(raw, [[self._named(name, owner) for name in names] for names in outermost_first], code)
            if found is not None:
                return found
        return None

    def _under(self, layer: Any, made_by: list[list[Any]], code: CodeType) -> FunctionType | None:
        """Return the source's function inside a layer, which these decorators made; None when they did not."""
        if not made_by:
            return layer if self._runs(layer, code) else None
        outermost, *inner_decorators = made_by
        method = next((method for method in METHODS if outermost and outermost[0] is method), None)
        if method is not None:
            return self._under(layer.__func__, inner_decorators, code) if type(layer) is method else None
        if any(_made_by(layer, named) for named in outermost):
            for inner in held_by(layer):
                found = self._under(inner, inner_decorators, code)
                if found is not None:
                    return found
        return self._under(layer, inner_decorators, code)  # a decorator may return the function itself

    def _runs(self, layer: Any, code: CodeType) -> bool:
        if type(layer) is not FunctionType or layer.__globals__ is not globals_of(self.module):
            return False
        return same_code(layer.__code__, code)

    def _named(self, dotted: str, owner: Any) -> Any:
        """Return the object that a name in a decorator's expression refers to; `ABSENT` when it no longer exists."""
        first, _, rest = dotted.partition(".")
        for names in (globals_of(self.module), vars(builtins), namespace(owner)):
            if first in names:
                return member(names[first], rest) if rest else names[first]
        return ABSENT


def find(module: ModuleType, target: Target) -> tuple[Any, Any]:
    """Return the owner of a target, and the raw attribute.

    Raises:
        BindingError: the attribute does not exist, or cannot be replaced by assignment.
    """
    owner, raw = look_up(module, target)
    if raw is ABSENT:
        path = ".".join(target.classes)
        where = f": {path} is now {class_name(owner)}, which does not define it" if path else ""
        raise BindingError(f"{target} is not in the loaded module{where}")
    return owner, raw


def _made_by(layer: object, decorator: object) -> bool:
    if decorator is ABSENT:
        return False
    if type(layer) is not FunctionType:
        return type(layer) is decorator or bool(packages(layer) & packages(decorator))
    if type(decorator) is FunctionType and layer.__globals__ is decorator.__globals__:
        if any(layer.__code__ is code for code in _codes(decorator.__code__)):
            return True
    return bool(packages(layer) & packages(decorator))


def _codes(code: CodeType) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if type(inner) is CodeType:
            yield inner
            yield from _codes(inner)
