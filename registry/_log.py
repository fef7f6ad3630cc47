"""Loggers that never raise, so that logging cannot interrupt the operation that is being logged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter


class Log(_Adapter):
    """A logger that raises nothing: with a closed standard error or a handler that raises, only the line is lost."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log one line."""
        try:
            super().log(level, msg, *args, stacklevel=2, **kwargs)
        except Exception:  # noqa: BLE001 - the error or import that is being logged matters more than its line
            return


def log_of(logger: str = "syncfree") -> Log:
    """Return the log of an adapter, by the name of its logger."""
    return Log(logging.getLogger(logger), {})
