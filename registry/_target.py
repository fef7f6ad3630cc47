"""The name of a function in a framework: ``"package.module:Class.function"``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed target.

    Attributes:
        module: the module that holds it.
        qualname: its name in the module: ``function`` or ``Class.function``.
    """

    module: str
    qualname: str

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes around it, outermost first; empty for a function of the module itself."""
        return tuple(self.qualname.split(".")[:-1])

    @property
    def name(self) -> str:
        """Its name in its class or module."""
        return self.qualname.rpartition(".")[2]

    def __str__(self) -> str:
        return f"{self.module}:{self.qualname}"


@cache
def parse(target: str) -> Target:
    """Parse a target."""
    module, _, qualname = target.partition(":")
    return Target(module, qualname)
