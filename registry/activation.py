"""Entry point for a framework's own plugin mechanism, which loads the hooks in each of its processes."""

from __future__ import annotations

from ._autoload import load_unless_broken


def load_from_plugin(framework: str) -> None:
    """Load a framework's hooks from the framework's own plugin mechanism.

    Like `syncfree.load`, but an error that no explicit choice caused is only logged at ERROR, and nothing is bound.

    Raises:
        SelectionError: an explicit choice cannot be met.
    """
    load_unless_broken(framework)
