"""Lines that are logged before a framework has configured its log.

Until its logger has a handler, the standard library drops what is below WARNING and prints the rest without its level.
"""

from __future__ import annotations

import logging
import sys


class UntilConfigured(logging.Handler):
    """Prints to standard error while the framework's own logger has no handler; afterwards that one does it."""

    def __init__(self, logger: str | None, layout: logging.Formatter) -> None:
        super().__init__()
        self._logger = logging.getLogger(logger)
        self.setFormatter(layout)

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record, or leave it to the framework."""
        if not self._logger.handlers:
            # The end of the line goes in the same write: an unbuffered standard error passes each on, and workers that share
            # a log file would tear each other's lines.
            print(f"{self.format(record)}\n", end="", file=sys.stderr, flush=True)


def early_logger(name: str, configured: str | None, layout: logging.Formatter, level: str = "INFO") -> str:
    """Give a logger such a handler, once; return its name.

    Args:
        name: the logger that syncfree uses.
        configured: the logger to which the framework adds its handler; None for the root logger.
        layout: the framework's own format.
        level: the least level that is printed.
    """
    logger = logging.getLogger(name)
    if not any(isinstance(handler, UntilConfigured) for handler in logger.handlers):
        logger.addHandler(UntilConfigured(configured, layout))
        logger.setLevel(level)
    return name
