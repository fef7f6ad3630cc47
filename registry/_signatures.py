"""The real parameters of a function, and the check that a replacement takes every call of it.

`inspect.signature` follows ``__wrapped__`` and trusts ``__signature__``, so it returns the target's signature for everything
made with ``functools.wraps(target)``. The code object has the real parameters.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType, MethodType
from typing import Any

_P = inspect.Parameter
_POSITIONAL = (_P.POSITIONAL_ONLY, _P.POSITIONAL_OR_KEYWORD)
_MARKS: dict[Any, str] = {_P.VAR_POSITIONAL: "*", _P.VAR_KEYWORD: "**"}
_ANY_NAME = "syncfree_any_other_name"

Parameters = list[inspect.Parameter]


def parameters(function: FunctionType) -> Parameters:
    """Return the parameters of a plain function, with their defaults, from its code object."""
    code = function.__code__
    names = iter(code.co_varnames)  # positional ones, keyword-only ones, *args, **kwargs, then local variables
    positional = [next(names) for _ in range(code.co_argcount)]
    keyword_only = [next(names) for _ in range(code.co_kwonlyargcount)]
    of_last = dict(zip(reversed(positional), reversed(function.__defaults__ or ()), strict=False))
    of_name = function.__kwdefaults__ or {}
    found = [
        _P(name, _POSITIONAL[index >= code.co_posonlyargcount], default=of_last.get(name, _P.empty))
        for index, name in enumerate(positional)
    ]
    if code.co_flags & inspect.CO_VARARGS:
        found.append(_P(next(names), _P.VAR_POSITIONAL))
    found += [_P(name, _P.KEYWORD_ONLY, default=of_name.get(name, _P.empty)) for name in keyword_only]
    if code.co_flags & inspect.CO_VARKEYWORDS:
        found.append(_P(next(names), _P.VAR_KEYWORD))
    return found


def signature(function: FunctionType) -> inspect.Signature:
    """Return the signature of a plain function, for messages."""
    return inspect.Signature(parameters(function), __validate_parameters__=False)


def declared(of: Parameters) -> str:
    """Return the source of a parameter list, with ``None`` for every default."""
    parts = [f"{_MARKS.get(p.kind, '')}{p.name}{'' if p.default is _P.empty else '=None'}" for p in of]
    kinds = [p.kind for p in of]
    if _P.KEYWORD_ONLY in kinds and _P.VAR_POSITIONAL not in kinds:
        parts.insert(kinds.index(_P.KEYWORD_ONLY), "*")
    if _P.POSITIONAL_ONLY in kinds:
        parts.insert(kinds.count(_P.POSITIONAL_ONLY), "/")
    return ", ".join(parts)


def passed(of: Parameters) -> str:
    """Return the source of a call that forwards all parameters: by position, keyword-only ones by name."""
    return ", ".join(
        f"{p.name}={p.name}" if p.kind is _P.KEYWORD_ONLY else f"{_MARKS.get(p.kind, '')}{p.name}" for p in of
    )


def misfit(replacement: Callable[..., Any], target: Parameters) -> str | None:
    """Return why a replacement does not take every call that a function with these parameters forwards; None when it does."""
    try:
        stand_in, names = _stand_in(replacement)
    except (TypeError, ValueError, RecursionError) as error:
        return f"its parameters cannot be read: {error}"
    for values, by_name in _calls(target, names):
        try:
            stand_in(*values, **by_name)
        except TypeError as error:
            return str(error).removeprefix("<lambda>() ")
    return None


def _stand_in(function: Any) -> tuple[Callable[..., Any], Sequence[str]]:
    """Return an empty function with the same parameters, so that Python itself checks a call, and the parameter names."""
    if type(function) is FunctionType:
        of = parameters(function)
        # A decorator's wrapper forwards all arguments: the wrapped function decides.
        if [p.kind for p in of] == [*_MARKS] and "__wrapped__" in vars(function):
            return _stand_in(function.__dict__["__wrapped__"])
        return _empty(of)
    if type(function) is MethodType:
        stand_in, names = _stand_in(function.__func__)
        return functools.partial(stand_in, function.__self__), names
    if type(function) is functools.partial:
        stand_in, names = _stand_in(function.func)
        return functools.partial(stand_in, *function.args, **function.keywords), names
    call = inspect.getattr_static(type(function), "__call__", None)
    if type(call) is FunctionType and not isinstance(function, type):
        stand_in, names = _stand_in(call)
        return functools.partial(stand_in, function), names
    wrapped = getattr(function, "__wrapped__", None)
    return _empty(list(inspect.signature(function).parameters.values())) if wrapped is None else _stand_in(wrapped)


def _empty(of: Parameters) -> tuple[Callable[..., Any], Sequence[str]]:
    made: Callable[..., Any] = eval(f"lambda {declared(of)}: None")
    return made, [p.name for p in of]


def _calls(target: Parameters, names: Sequence[str]) -> Iterator[tuple[range, dict[str, None]]]:
    """Yield the calls to try; a function with parameters of these names that takes them takes every call.

    Positional and keyword-only parameters are always passed; ``*args`` and ``**kwargs`` vary with the caller. One more name
    at a time is enough: a call fails because of a single name, unknown or filled twice, or because an argument is missing,
    which more names can only fix.
    """
    kinds = {p.kind for p in target}
    count = sum(p.kind in _POSITIONAL for p in target)
    by_name = {p.name: None for p in target if p.kind is _P.KEYWORD_ONLY}
    not_free = {p.name for p in target if p.kind in (_P.POSITIONAL_OR_KEYWORD, _P.KEYWORD_ONLY)}
    free = [name for name in (*names, _ANY_NAME) if name not in not_free]
    for more in range(len(names) + 2 if _P.VAR_POSITIONAL in kinds else 1):
        yield range(count + more), by_name
        if _P.VAR_KEYWORD in kinds:
            yield from ((range(count + more), {**by_name, name: None}) for name in free)
