"""Lines that are logged before SGLang has configured logging.

SGLang puts its handler on the root logger when a process has read its arguments, after plugins have loaded; until then the
standard library drops what is below WARNING.
"""

from __future__ import annotations

import logging
import sys

FORMAT = "[%(asctime)s] %(message)s"
DATE_FORMAT = "%m-%d %H:%M:%S"
"""SGLang's own."""


class UntilConfigured(logging.Handler):
    """Prints to standard error while the root logger has no handler; afterwards the root's handlers do it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record, or leave it to the root logger."""
        if not logging.getLogger().handlers:
            print(self.format(record), file=sys.stderr, flush=True)


def early_logger(name: str) -> str:
    """Give a logger such a handler, once; return its name."""
    logger = logging.getLogger(name)
    if not any(isinstance(handler, UntilConfigured) for handler in logger.handlers):
        handler = UntilConfigured()
        handler.setFormatter(logging.Formatter(FORMAT, DATE_FORMAT))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    return name
