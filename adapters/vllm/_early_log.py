"""Lines that are logged before vLLM has configured logging.

From 0.31 the main process of an engine loads plug-ins first; until its logger has a handler, the standard library drops
what is below WARNING and prints the rest without its level.
"""

from __future__ import annotations

import logging
import os
import sys

FORMAT = "%(levelname)s %(asctime)s [%(filename)s:%(lineno)d] %(message)s"
DATE_FORMAT = "%m-%d %H:%M:%S"
"""vLLM's own."""


class UntilConfigured(logging.Handler):
    """Prints to standard error while vLLM's logger has no handler; afterwards that one does it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record, or leave it to vLLM."""
        if not logging.getLogger("vllm").handlers:
            print(self.format(record), file=sys.stderr, flush=True)


def early_logger(name: str) -> str:
    """Give a logger such a handler, once; return its name."""
    logger = logging.getLogger(name)
    if not any(isinstance(handler, UntilConfigured) for handler in logger.handlers):
        handler = UntilConfigured()
        handler.setFormatter(logging.Formatter(FORMAT, DATE_FORMAT))
        logger.addHandler(handler)
        logger.setLevel(os.environ.get("VLLM_LOGGING_LEVEL", "INFO").upper())
    return name
