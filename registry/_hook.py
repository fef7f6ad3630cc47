"""A hook: a named contract that plugins implement and adapters bind.

``hookspec`` marks the function that states a contract, ``hookimpl`` an implementation of it. Both are pluggy's markers;
``hookimpl`` also records what an implementation declares about itself, which the test kit verifies.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import pluggy

from ._errors import one_line

PROJECT = "syncfree"
SHARED_MEMORY = "shared_memory"
NEEDS = ("torch", "cuda", "triton", "one_node", SHARED_MEMORY, "flashinfer")
"""The needs that an implementation may declare; checked before it is chosen."""

_PATH = re.compile(r"\w+(\.\w+)*:\w+")

F = TypeVar("F", bound=Callable[..., Any])

_spec_marker = pluggy.HookspecMarker(PROJECT)
_impl_marker = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The distance that an implementation's result may have from the reference, and the reason. Zero means bitwise equal."""

    rtol: float
    atol: float
    reason: str


@dataclass(frozen=True, slots=True)
class Hook:
    """One hot-path hook.

    Attributes:
        name: the one word used in code, environment variable, report and documentation.
        spec: the function that states the contract by its signature and docstring.
        reference: an implementation that is obviously right; it may make the host wait. In the catalogue it is the body of
            ``spec``.
        inputs: returns a hypothesis strategy of keyword arguments for one call; imported by the test kit only.
        tolerance: allowed difference from the reference for implementations that do not declare ``exact``.
        summary: one line for the table of hooks.
        pure: the result depends only on the arguments and no argument is changed, so a call can be repeated.
        lockstep: every rank of a job must make the same choice, because a mixed choice hangs.
        writes: the arguments that a call changes; their contents afterwards are part of the result.
        on_host: the arguments whose tensors are on the host, whatever the device.
        pinned: those of `on_host` whose tensors are in pinned memory where the device is a GPU.
        on_rank: for a lockstep hook, ``on_rank(arguments, rank, size)`` makes the arguments of one rank of torch.distributed's
            default group from generated ones; what ranks must agree on is equal on all, and their contents differ.
    """

    name: str
    spec: Callable[..., Any]
    reference: Callable[..., Any]
    inputs: Callable[[], Any]
    tolerance: Tolerance
    summary: str
    pure: bool = True
    lockstep: bool = False
    writes: tuple[str, ...] = ()
    on_host: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    on_rank: Callable[[dict[str, Any], int, int], dict[str, Any]] | None = None

    @property
    def variable(self) -> str:
        """The environment variable that chooses this hook's implementation."""
        return f"SYNCFREE_{self.name.upper()}"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameter names of the contract, in order."""
        return tuple(inspect.signature(self.spec).parameters)


@dataclass(frozen=True, slots=True)
class Declaration:
    """The declarations of an implementation about itself; see `hookimpl`."""

    exact: bool = False
    host_syncs: int | None = None
    lockstep: bool = False
    needs: tuple[str, ...] = ()
    implementation: str | None = None
    preference: int = 0


def hookspec(function: F) -> F:
    """Mark the function that states a hook's contract."""
    return _spec_marker(function, firstresult=True)


@overload
def hookimpl(function: F) -> F: ...
@overload
def hookimpl(
    *,
    exact: bool = ...,
    host_syncs: int | None = ...,
    lockstep: bool = ...,
    needs: tuple[str, ...] = ...,
    implementation: str | None = ...,
    specname: str | None = ...,
    preference: int = ...,
) -> Callable[[F], F]: ...
def hookimpl(
    function: F | None = None,
    *,
    exact: bool = False,
    host_syncs: int | None = None,
    lockstep: bool = False,
    needs: tuple[str, ...] = (),
    implementation: str | None = None,
    specname: str | None = None,
    preference: int = 0,
) -> F | Callable[[F], F]:
    """Mark a function as a plugin's implementation of the hook of its name.

    Args:
        function: the function, when the marker is used without arguments.
        exact: bitwise equal to upstream on the same device. Only exact implementations are chosen by default.
        host_syncs: how often one call makes the host wait for the GPU; None declares nothing.
        lockstep: all ranks must choose it together.
        needs: any of `NEEDS`; an implementation with an unmet need is not chosen by default.
        implementation: ``"package.module:function"``, imported only when it is chosen; the marked function then only
            declares the signature. Use it when the real module is heavy or touches a device when imported; `implementations`
            declares many of them without writing the signatures.
        specname: the hook's name, when the function has another name.
        preference: among the exact implementations whose needs are met, the one with the highest number is the default. Declare
            it by measured cost, relative to 0, which is ``sync_free``.

    Raises:
        ValueError: an unknown need or another invalid declaration, or the marked object is not a function.
    """
    problems = list(_problems(exact, host_syncs, lockstep, needs, implementation, preference))
    if problems:
        raise ValueError("; ".join(problems))
    declaration = Declaration(exact, host_syncs, lockstep, tuple(needs), implementation, preference)

    def mark(target: F) -> F:
        # Getting the attribute from a plugin returns the function inside a static or class method.
        inner: Any = target.__func__ if isinstance(target, (staticmethod, classmethod)) else target
        routine: bool = inspect.isroutine(inner)
        if not routine:
            raise ValueError(f"hookimpl marks functions, not {one_line(repr(inner))}")
        inner.syncfree_declaration = declaration
        _impl_marker(inner, specname=specname)
        return target

    return mark if function is None else mark(function)


def _problems(
    exact: object, host_syncs: object, lockstep: object, needs: object, implementation: object, preference: object
) -> Iterator[str]:
    """Yield the problems of a declaration."""
    for name, value in (("exact", exact), ("lockstep", lockstep)):
        if not isinstance(value, bool):
            yield f"{name} is {value!r}, neither True nor False"
    if host_syncs is not None and (isinstance(host_syncs, bool) or not isinstance(host_syncs, int) or host_syncs < 0):
        yield f"host_syncs is {host_syncs!r}, neither a number of syncs nor None"
    if not isinstance(needs, (tuple, list)):
        yield f"needs is {needs!r}, not a tuple such as ('torch',)"
    elif unknown := [need for need in needs if need not in NEEDS]:
        yield f"unknown needs {unknown}; known: {', '.join(NEEDS)}"
    if implementation is not None and not (isinstance(implementation, str) and _PATH.fullmatch(implementation)):
        yield f"implementation is {implementation!r}, not 'package.module:function'"
    if isinstance(preference, bool) or not isinstance(preference, int):
        yield f"preference is {preference!r}, not a number such as 10"


def declaration_of(function: Callable[..., Any]) -> Declaration:
    """Return what `hookimpl` declared for a function; the empty declaration for one marked with pluggy's own marker."""
    found = getattr(function, "syncfree_declaration", None)
    return found if isinstance(found, Declaration) else Declaration()
