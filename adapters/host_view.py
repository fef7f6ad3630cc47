"""A scheduler as upstream's method is to see it, while everybody else sees it as it is.

Upstream's method runs on a view: an object of a subclass made for it, which shares the scheduler's ``__dict__`` and answers
some attributes with other values. Nothing of the scheduler is exchanged meanwhile, so an error leaves nothing behind and a
second thread on the same scheduler never meets a schedule that is not on its device.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from functools import lru_cache
from typing import Any


class _Seen:
    """The state of a view. It stands before the scheduler's class, so that making the subclass is not announced to that."""

    __slots__ = ("_syncfree_scheduler", "_syncfree_values")
    _syncfree_scheduler: Any
    _syncfree_values: dict[str, Any]

    def __init_subclass__(cls) -> None:
        pass


def view_of(scheduler: Any, **values: Any) -> Any:
    """Make a view of a scheduler that answers these attributes with these values; None for a class that has no views.

    What is assigned through a view is assigned to the scheduler.
    """
    owner: Any = type(scheduler)
    made = _view_class(owner, tuple(values))
    if made is None:
        return None
    view = made.__new__(made)
    view.__dict__ = scheduler.__dict__
    view._syncfree_scheduler = scheduler
    view._syncfree_values = values
    return view


def seen_through(scheduler: Any) -> Any:
    """Return the scheduler that a view is of; anything else is returned as it is."""
    return scheduler._syncfree_scheduler if isinstance(scheduler, _Seen) else scheduler


@lru_cache(maxsize=64)
def _view_class(owner: Any, names: tuple[str, ...]) -> Any:
    """None for a class whose instances are more than their ``__dict__``, or whose making is more than that of a class."""
    own = owner.__mro__[:-1]
    if type(owner) is not type or any(vars(base).get("__slots__") for base in own):
        return None
    if any(name in vars(base) for base in own for name in ("__new__", "__setattr__", "__getattribute__")):
        return None
    namespace = {name: _attribute(name) for name in names}
    same = {name: vars(owner)[name] for name in ("__module__", "__qualname__", "__doc__") if name in vars(owner)}
    return type(owner.__name__, (_Seen, owner), {"__slots__": (), "__qualname__": owner.__qualname__, **same, **namespace})


def _attribute(name: str) -> property:
    def read(view: Any) -> Any:
        return view._syncfree_values[name]

    def write(view: Any, value: Any) -> None:
        setattr(view._syncfree_scheduler, name, value)
        view._syncfree_values[name] = value

    return property(read, write)


def uses_own_methods(upstream: Callable[..., Any]) -> Callable[[Any], bool]:
    """Make the test whether every method and property that upstream's method reaches through ``self`` is its own class's.

    A user's own one, of a subclass or put on the class or the instance, was written for what upstream hands it.
    """
    function = inspect.unwrap(upstream)
    owner: type = function.__globals__[function.__qualname__.split(".")[0]]
    reached = {name: _own(found) for name, found in _reached(owner, function).items()}
    places = [(next(vars(one) for one in owner.__mro__ if name in vars(one)), name) for name in reached]
    names = frozenset(reached)
    passed: list[tuple[Any, str, Any]] = []  # what the class held when it was last looked at in full

    def test(scheduler: Any) -> bool:
        if not names.isdisjoint(scheduler.__dict__):
            return False
        if type(scheduler) is owner and passed:
            for namespace, name, found in passed:
                if namespace.get(name) is not found:
                    break
            else:
                return True
        classes = type(scheduler).__mro__
        if not all(_own(_found(classes, name)) is expected for name, expected in reached.items()):
            return False
        if type(scheduler) is owner:
            passed[:] = [(namespace, name, namespace[name]) for namespace, name in places]
        return True

    return test


def _reached(owner: type, function: Any) -> dict[str, Any]:
    """The methods and properties of a class whose names a function uses, and those that these use, by name."""
    found: dict[str, Any] = {}
    waiting = [function]
    while waiting:
        for name in waiting.pop().__code__.co_names:
            raw = _found(owner.__mro__, name)
            code = raw.fget if isinstance(raw, property) else _own(raw)
            if name not in found and isinstance(code, types.FunctionType):
                found[name] = raw
                waiting.append(code)
    return found


def _found(classes: tuple[type, ...], name: str) -> Any:
    return next((vars(one)[name] for one in classes if name in vars(one)), None)


def _own(attribute: Any) -> Any:
    """Upstream's function where the attribute is what was bound in its place."""
    slot = getattr(attribute, "_syncfree_slot", None)
    return slot.upstream if slot is not None and slot.bound is attribute else attribute
