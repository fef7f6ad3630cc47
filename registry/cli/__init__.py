"""The command ``syncfree``: one module per subcommand."""

from __future__ import annotations

from ._app import main

__all__ = ["main"]
