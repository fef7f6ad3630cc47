"""The end of a process that has the device: autograd's thread must have nothing of Python's left to drop.

``backward()`` of torch 2.13 leaves a Python object with the graph task (``torch.autograd.graph._engine_run_backward``), which
the device's autograd thread drops after ``backward()`` has returned and for which it asks for the GIL. Once the interpreter has
begun to end, asking ends the thread, which the C++ code around it turns into an abort of the process.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import Any

import torch


def install() -> None:
    """Register what is done at exit."""
    leaf, gradient = torch.zeros((), device="cuda", requires_grad=True), torch.ones((), device="cuda")
    atexit.register(_let_autograd_finish, os.getpid(), leaf, gradient)


def _let_autograd_finish(process: int, leaf: torch.Tensor, gradient: torch.Tensor) -> None:
    """Give the autograd thread one more task, which it begins when it has dropped those before, and which has no such object."""
    if os.getpid() != process or _another_thread_is_in_backward():
        return  # a forked child has no autograd thread; one that is busy may stay so
    engine: Any = torch.autograd.Variable._execution_engine
    engine.run_backward((leaf,), (gradient,), False, False, (), allow_unreachable=True, accumulate_grad=True)


def _another_thread_is_in_backward() -> bool:
    for thread, frame in sys._current_frames().items():
        while frame is not None and thread != threading.get_ident():
            if frame.f_code.co_name == "_engine_run_backward":
                return True
            frame = frame.f_back  # type: ignore[assignment]
    return False
