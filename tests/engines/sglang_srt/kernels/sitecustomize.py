"""Test-only: on PYTHONPATH it gives the stand-in of sgl_kernel every further name that SGLang's CPU engine imports.

The CPU build of sgl_kernel is not published. What is called of it and not there is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sgl_kernel


def _absent(name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(name)

    def operator(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"sgl_kernel.{name} is not there: its CPU build is not published")

    return operator


sgl_kernel.__getattr__ = _absent
