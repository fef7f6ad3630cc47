"""Exit of a process that has the device: autograd's thread must hold no Python objects any more.

``backward()`` of torch 2.13 leaves a Python object in the graph task (``torch.autograd.graph._engine_run_backward``), which
the device's autograd thread releases after ``backward()`` has returned, and which needs the GIL. During interpreter shutdown,
taking the GIL ends the thread, which the C++ code around it turns into an abort of the process.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import Any

import torch


def install() -> None:
    """Register the exit handler."""
    leaf, gradient = torch.zeros((), device="cuda", requires_grad=True), torch.ones((), device="cuda")
    atexit.register(_let_autograd_finish, os.getpid(), leaf, gradient)


def _let_autograd_finish(process: int, leaf: torch.Tensor, gradient: torch.Tensor) -> None:
    """Run one more task without a Python object, which the autograd thread begins after it has released earlier ones."""
    if os.getpid() != process or _another_thread_is_in_backward():
        return  # a forked child has no autograd thread; waiting for a busy one could take forever
    engine: Any = torch.autograd.Variable._execution_engine
    engine.run_backward((leaf,), (gradient,), False, False, (), allow_unreachable=True, accumulate_grad=True)


def _another_thread_is_in_backward() -> bool:
    for thread, frame in sys._current_frames().items():
        while frame is not None and thread != threading.get_ident():
            if frame.f_code.co_name == "_engine_run_backward":
                return True
            frame = frame.f_back  # type: ignore[assignment]
    return False
