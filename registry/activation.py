"""What a framework's own plugin mechanism calls to load the hooks in one of its processes."""

from __future__ import annotations

from ._autoload import load_unless_broken


def load_from_plugin(framework: str) -> None:
    """Load a framework's hooks from the framework's own plugin mechanism.

    Like `syncfree.load`, but an error that is not the user's is logged at ERROR and leaves the framework as it is.

    Raises:
        SelectionError: an explicit choice cannot be met.
    """
    load_unless_broken(framework)
