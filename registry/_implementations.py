"""A plugin declared as a table: the hooks that it implements, and where, each with the signature of its contract."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ._hook import Hook, hookimpl
from .hooks import HOOKS

__all__ = ["Implementations", "implementations"]


class Implementations:
    """The result of `implementations`: a plugin that has, for each hook, an attribute that declares its implementation.

    ``one | other`` is a plugin with the hooks of both, for hooks that are declared differently.
    """

    def __init__(self, package: str, declared: Mapping[str, Callable[..., Any]]) -> None:
        self.__name__ = package  # `syncfree.register` names a plugin after the last part of this, as it does a module
        self._declared = dict(declared)
        vars(self).update(declared)

    def __or__(self, other: Implementations) -> Implementations:
        twice = self._declared.keys() & other._declared.keys()
        if twice:
            raise ValueError(f"declared twice: {', '.join(sorted(twice))}")
        return Implementations(self.__name__, {**self._declared, **other._declared})

    def __repr__(self) -> str:
        return f"<implementations of {', '.join(self._declared)}>"


def implementations(
    package: str,
    *,
    hooks: Iterable[str],
    exact: bool = False,
    host_syncs: int | None = None,
    lockstep: bool = False,
    needs: tuple[str, ...] = (),
    preference: int = 0,
) -> Implementations:
    """Declare a plugin whose implementations are imported only when they are chosen.

    Write ``PLUGIN = implementations("acme.kernels", hooks=("postprocess",))`` in a module that imports nothing heavy, and
    name ``module:PLUGIN`` as the entry point. The implementation of ``postprocess`` is then the function ``postprocess`` of
    the module ``acme.kernels.postprocess``. It is declared with the signature of its contract, which is checked against the
    function when that is imported.

    Args:
        package: the package whose modules hold the implementations.
        hooks: the hooks that it implements, each named like its module and the function in it.
        exact: see `hookimpl`; this and the following arguments apply to every hook of the table.
        host_syncs: how often one call makes the host wait for the GPU; None declares nothing.
        lockstep: all ranks must choose it together.
        needs: requirements that must be met for it to be chosen by default.
        preference: the highest number among the exact implementations whose needs are met is the default; 0 is ``sync_free``.

    Returns:
        The plugin. Hooks that are declared differently are joined: ``implementations(...) | implementations(...)``.

    Raises:
        ValueError: ``hooks`` is not a collection of distinct names, or a declaration is invalid. An unknown hook is an error
            when the plugin is registered.
    """
    names = [hooks] if isinstance(hooks, str) else list(hooks)
    if isinstance(hooks, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"hooks is {hooks!r}, not a tuple of names such as ('postprocess',)")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"declared twice: {', '.join(twice)}")

    def declared(name: str) -> Callable[..., Any]:
        path = f"{package}.{name}:{name}"
        mark = hookimpl(
            exact=exact,
            host_syncs=host_syncs,
            lockstep=lockstep,
            needs=needs,
            implementation=path,
            preference=preference,
        )
        return mark(_declaration(name, path, HOOKS.get(name)))

    return Implementations(package, {name: declared(name) for name in names})


def _declaration(name: str, path: str, hook: Hook | None) -> Callable[..., Any]:
    """Return a function with the signature of a hook's contract that only names the implementation."""

    def declaration(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{path} is imported when it is chosen; this only declares it")

    if hook is None:  # registering it raises, with the names of the hooks that exist
        declaration.__name__ = declaration.__qualname__ = name
        return declaration
    # `__wrapped__` gives it the contract's signature; `updated=()` leaves out the attributes of pluggy's marker.
    return functools.wraps(hook.spec, updated=())(declaration)
