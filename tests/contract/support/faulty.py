"""Implementations that are wrong in one way each, for the tests of the test kit."""

from __future__ import annotations

import torch

from syncfree import hookimpl
from syncfree.hooks import penalty_state_reset as penalties
from syncfree.hooks import rotary_embedding as rotary
from syncfree.hooks import schedule_upload as upload


@hookimpl(exact=True)
def wrong(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """One unit in the last place off, somewhere."""
    result = upload.HOOK.reference(values, device, dtype)
    return result + torch.finfo(dtype).eps * result if dtype.is_floating_point else result


@hookimpl(exact=True)
def other_dtype(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Forgets the conversion."""
    return values.to(device)


@hookimpl(exact=True)
def mutating(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Works in place."""
    result = upload.HOOK.reference(values, device, dtype).clone()
    values.zero_()
    return result


@hookimpl(exact=True)
def mutating_and_declining(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Touches its arguments before it declines."""
    values.zero_()
    return NotImplemented  # type: ignore[no-any-return]


@hookimpl(exact=True)
def declining(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Never does anything."""
    return NotImplemented  # type: ignore[no-any-return]


@hookimpl(exact=True)
def raising(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Raises where the reference does not."""
    raise KeyError("nothing there")


@hookimpl(exact=True, host_syncs=0)
def syncing(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Right, and waits for the device once."""
    result = upload.HOOK.reference(values, device, dtype)
    result[0].item()
    return result


@hookimpl(exact=True, host_syncs=9)
def syncing_as_declared(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Right, and waits no more often than it says."""
    return syncing(values, device, dtype)


@hookimpl(exact=True)
def leaving_one_row(states: tuple[torch.Tensor, ...], rows: torch.Tensor) -> None:
    """Clears all rows but the last."""
    penalties.HOOK.reference(states, rows[:-1])


@hookimpl
def inexact(q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Not a number where the reference has one."""
    rotated = rotary.HOOK.reference(q, k, cos, sin)
    return rotated[0] * float("nan"), rotated[1]
