"""Instruments: what may stand around the functions of a bound target, such as verification, recording and timing.

A slot has probes around its functions only while an instrument is set for its hook; otherwise nothing is called or checked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ._hook import Hook
from ._plugins import Implementation


@dataclass(frozen=True, slots=True)
class Place:
    """A bound target.

    Attributes:
        target: ``"package.module:Class.function"``.
        upstream: the framework's own function there.
        repeatable: see `syncfree.adapting.Binding`.
    """

    hook: Hook
    target: str
    upstream: Callable[..., Any]
    repeatable: bool


class Probe(Protocol):
    """An instrument at one place. Each function returns the given one to leave it alone."""

    def around_implementation(self, function: Callable[..., Any], implementation: Implementation) -> Callable[..., Any]:
        """Return what the adapter's replacement calls in place of an implementation; it takes the contract's arguments."""
        ...

    def around_replacement(
        self, replacement: Callable[..., Any], implementation: Implementation | None
    ) -> Callable[..., Any]:
        """Return what the slot calls in place of an adapter's replacement, or of upstream (implementation None)."""
        ...


class Instrument(Protocol):
    """A factory of the probes of a hook. ``at`` may be called again for the same place."""

    def at(self, place: Place) -> Probe:
        """Return the probe of a place."""
        ...


def is_traced_function() -> Callable[[], bool] | None:
    """Return torch's function that torch.compile replaces by True; None where torch is not loaded or is older than 2.1."""
    compiler = getattr(sys.modules.get("torch"), "compiler", None)
    # The first one is half as expensive; it is there from torch 2.3 on.
    found: Callable[[], bool] | None = getattr(compiler, "is_dynamo_compiling", None) or getattr(compiler, "is_compiling", None)
    return found
