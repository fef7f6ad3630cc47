"""The command ``syncfree``: one module per subcommand."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command. An error that the user can fix ends it with one sentence and status 2, an interrupt with 130."""
    try:
        from ._app import run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


__all__ = ["main"]
