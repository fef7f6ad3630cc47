"""The code objects of a module's source, to compare with those of the running process."""

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
    "co_code",  # as compiled: without the interpreter's in-place specialization and instrumentation
    "co_exceptiontable",  # absent from Python 3.10
    "co_firstlineno",
    "co_freevars",
    "co_names",
    "co_varnames",
)


def compiled(module: ModuleType, name: str) -> CodeType:
    """Return the code of the source of a module of this name, from the bytecode cache where that is up to date; executes nothing.

    Raises:
        BindingError: the source is missing or cannot be read.
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


def same_code(a: CodeType, b: CodeType) -> bool:
    """Return whether two code objects are equal and come from the same line; the file name does not matter."""
    return (
        (a.co_flags ^ b.co_flags) & ~inspect.CO_ITERABLE_COROUTINE == 0  # types.coroutine sets this flag in place
        and all(getattr(a, name, None) == getattr(b, name, None) for name in _COMPARED)
        and len(a.co_consts) == len(b.co_consts)
        and all(map(_same_constant, a.co_consts, b.co_consts))
    )


def _same_constant(a: object, b: object) -> bool:
    if isinstance(a, CodeType) and isinstance(b, CodeType):
        return same_code(a, b)
    return type(a) is type(b) and (a == b or repr(a) == repr(b))  # NaN equals nothing
