"""What a module's source compiles to, to compare the functions of the running process with."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType

from ._errors import BindingError
from ._namespace import globals_of

_GENERIC = "<generic parameters of "  # the scope around a function with type parameters, from Python 3.12 on
_COMPARED = (
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_cellvars",
    "co_code",  # as it was compiled: without what the interpreter specialises or instruments in place
    "co_exceptiontable",  # absent from Python 3.10
    "co_firstlineno",
    "co_freevars",
    "co_names",
    "co_varnames",
)


def compiled(module: ModuleType, name: str) -> CodeType:
    """Return the code of the source of a module of this name, from the bytecode cache where that is up to date; executes nothing.

    Raises:
        BindingError: there is no source, or it cannot be read.
    """
    names = globals_of(module)
    file, get_code = names.get("__file__"), getattr(names.get("__loader__"), "get_code", None)
    try:
        code = get_code(name) if get_code is not None else None
        if code is None:
            if file is None:
                raise BindingError(f"{name} has no source file")
            code = compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)
    except (OSError, ImportError, SyntaxError, ValueError, EOFError) as error:
        raise BindingError(f"the source of {name} in {file} cannot be read: {error}") from error
    return code


def functions(scope: CodeType, path: list[str]) -> Iterator[CodeType]:
    """Yield the code of every function that ``def`` makes at ``Class.method`` in a module's or class's code."""
    name, *rest = path
    for inner in scope.co_consts:
        if type(inner) is not CodeType:
            continue
        is_function = bool(inner.co_flags & inspect.CO_OPTIMIZED)
        if inner.co_name.startswith(_GENERIC):
            yield from functions(inner, path)
        elif inner.co_name == name and not rest and is_function:
            yield inner
        elif inner.co_name == name and rest and not is_function:
            yield from functions(inner, rest)


def same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects do the same and come from the same line; the name of the file does not matter."""
    return (
        (one.co_flags ^ other.co_flags) & ~inspect.CO_ITERABLE_COROUTINE == 0  # which types.coroutine sets in place
        and all(getattr(one, name, None) == getattr(other, name, None) for name in _COMPARED)
        and len(one.co_consts) == len(other.co_consts)
        and all(map(_same_constant, one.co_consts, other.co_consts))
    )


def _same_constant(one: object, other: object) -> bool:
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return same_code(one, other)
    return type(one) is type(other) and (one == other or repr(one) == repr(other))  # NaN equals nothing
