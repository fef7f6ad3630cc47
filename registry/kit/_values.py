"""The checks of results and arguments on the host."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from .._difference import difference
from .._hook import Tolerance
from ._calls import Call, Caller, Finding

ROUNDING = Tolerance(2e-2, 1e-3, "wrong values differ by more; `exact` compares the bits")


def types(caller: Caller) -> Finding | None:
    """Fail when a result has other types, dtypes or shapes than the reference's."""
    return caller.first_fault(lambda made: _result_difference(made) if made.is_answered else None)


def reference(caller: Caller) -> Finding | None:
    """Fail when values are wrong: beyond the hook's tolerance, or beyond rounding for one that is declared exact."""
    tolerance = ROUNDING if caller.found.declaration.exact else caller.hook.tolerance
    return caller.first_fault(lambda made: value_difference(caller, made, tolerance))


def exact(caller: Caller) -> Finding | None:
    """Fail when a bit of a value differs."""
    return caller.first_fault(lambda made: value_difference(caller, made, None))


def unchanged(caller: Caller) -> Finding | None:
    """Fail when an answered call changes an argument: of a pure hook any, else any that the contract does not name."""
    if not caller.hook.pure and not caller.hook.writes:
        return None

    def problem(made: Call) -> str | None:
        # What the functions among the arguments change is a call's purpose where a hook is not pure.
        functions = () if caller.hook.pure else [name for name, value in made.before.items() if _holds_functions(value)]
        return _change(made, (*caller.hook.writes, *functions)) if made.is_answered else None

    return caller.first_fault(problem)


def declines(caller: Caller) -> Finding | None:
    """Fail when a declined call changes an argument, or when all calls that the reference takes are declined."""
    answered = declined = 0

    def problem(made: Call) -> str | None:
        nonlocal answered, declined
        answered += made.is_answered
        if made.result is not NotImplemented:
            return None
        declined += made.expected_error is None and made.expected is not NotImplemented
        change = _change(made)
        return f"declined the call after it changed an argument: {change}" if change else None

    finding = caller.first_fault(problem)
    if finding is None and declined and not answered:
        return Finding(f"declined all of {declined} generated calls: it does nothing")
    return finding


def aliasing(caller: Caller) -> Finding | None:
    """Fail when a result shares memory with an argument, although the reference's does not."""

    def problem(made: Call) -> str | None:
        if not made.is_answered:
            return None
        more = _shared(made.result, made.own) - _shared(made.expected, made.theirs)
        allowed = {name for name in more if not caller.hook.pure and name not in caller.hook.writes}
        named = " and ".join(sorted(more - allowed))
        return f"the result shares memory with {named}: a later write to one changes the other" if named else None

    return caller.first_fault(problem)


def structure(value: Any, device: bool = False) -> Any:
    """Return what a value consists of, without the values: a description that `difference` can compare."""
    if isinstance(value, torch.Tensor) or hasattr(value, "__array_interface__"):
        found = {"type": type(value).__name__, "dtype": str(value.dtype), "shape": tuple(value.shape)}
        if device and isinstance(value, torch.Tensor):
            found["device"] = value.device.type
        return found
    if isinstance(value, Mapping):
        return {"type": type(value).__name__, **{key: structure(part, device) for key, part in value.items()}}
    if isinstance(value, (tuple, list)):
        return [type(value).__name__, *(structure(part, device) for part in value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: structure(getattr(value, field.name), device) for field in dataclasses.fields(value)}
    return type(value).__name__


def value_difference(caller: Caller, made: Call, tolerance: Tolerance | None) -> str | None:
    """Return how a result, or what a call wrote, differs from the reference's."""
    if not made.is_answered:
        return None
    found = difference(made.result, made.expected, tolerance)
    for name in caller.hook.writes:
        found = found or difference(made.own[name], made.theirs[name], tolerance, f"argument {name!r} afterwards")
    return found


def _result_difference(made: Call) -> str | None:
    return difference(structure(made.result), structure(made.expected), None)


def _change(made: Call, permitted: tuple[str, ...] = ()) -> str | None:
    """Return how an argument differs from what it was; those that are ``permitted`` to change do not count."""
    names = [name for name in made.before if name not in permitted]
    return difference(
        {name: made.own[name] for name in names}, {name: made.before[name] for name in names}, None, "an argument, by name,"
    )


def _holds_functions(value: Any) -> bool:
    return any(callable(leaf) for leaf in tree_leaves(value))


def _shared(result: Any, arguments: dict[str, Any]) -> set[str]:
    """Return the names of the arguments that a result shares memory with."""
    ours = _storages(result)
    return {name for name, value in arguments.items() if ours & _storages(value)}


def _storages(value: Any) -> set[int]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    tensors = (leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor) and leaf.numel())
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}
