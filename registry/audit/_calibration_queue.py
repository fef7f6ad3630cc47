"""A test of whether the host waits for the device, without torch's reports and without rules of ours.

A kernel that runs for a while is queued before the operation. Where it has ended when the operation returns, the host has waited.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

CYCLES = 400_000_000
"""Of the device's clock: 0.2 s at 2 GHz, far longer than the host takes to launch an operation."""
ATTEMPTS = 3
"""The number of times that the host must have been seen to wait; something else may have held it up."""


def waits(run: Callable[..., object], operands: tuple[Any, ...]) -> bool:
    """Return whether an operation makes the host wait for what was queued before it. It must have run before: first runs load code.

    Args:
        run: the operation.
        operands: its operands; events are recorded again behind the kernel.
    """
    return all(_waits_once(run, operands) for _ in range(ATTEMPTS))


def _waits_once(run: Callable[..., object], operands: tuple[Any, ...]) -> bool:
    torch.cuda.synchronize()
    torch.cuda._sleep(CYCLES)
    behind = torch.cuda.Event()
    behind.record()
    for operand in operands:
        if isinstance(operand, torch.cuda.Event):
            operand.record()
    run(*operands)
    ended: bool = behind.query()
    torch.cuda.synchronize()
    return ended
