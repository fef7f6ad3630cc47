"""Check an implementation with recorded calls in place of generated ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._difference import difference
from .._hook import Hook, Tolerance
from ..recording._files import Call, read_calls
from ..recording._tensors import RecordingError


def default_device() -> str:
    """Return where tensors go that were recorded on a GPU: to a GPU if there is one, else to the CPU."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def check_replayed(
    described: str, hook: Hook, function: Callable[..., Any], tolerance: Tolerance | None, folder: str, device: str
) -> None:
    """Compare an implementation with the hook's reference on each recorded call.

    Args:
        described: the implementation, for messages.
        tolerance: None compares bitwise.
        folder: the recording.
        device: where tensors go that were recorded on a GPU.

    Raises:
        AssertionError: a wrong call, with its file; or all calls are declined.
        RecordingError: the recording cannot be read, or it does not have the answer of a function that is called.
    """
    calls = read_calls(folder, hook.name)
    answered = [_answered(described, hook, function, tolerance, call, device) for call in calls]
    if not any(answered):
        raise AssertionError(f"{described}: declined all of {len(calls)} recorded calls; nothing could be compared")


def _answered(
    described: str, hook: Hook, function: Callable[..., Any], tolerance: Tolerance | None, call: Call, device: str
) -> bool:
    """Compare one call; return whether the implementation answered it."""
    before, own, others = (call.arguments(device) for _ in range(3))

    def fail(problem: str) -> None:
        raise AssertionError(f"{described}: {problem}\nrecorded call: {call.path}")

    expected = hook.reference(**others)
    try:
        result = function(**own)
    except RecordingError:
        raise
    except Exception as error:
        raise AssertionError(
            f"{described}: raised {type(error).__name__}: {error}, where the reference does not\nrecorded call: {call.path}"
        ) from error
    values = [name for name, value in before.items() if not callable(value)]
    if hook.pure or result is NotImplemented:
        changed = [difference(own[name], before[name], None, f"argument {name!r}") for name in values]
        if any(changed):
            fail(f"changed its arguments: {next(filter(None, changed))}")
    if result is NotImplemented:
        return False
    found = difference(result, expected, tolerance)
    for name in hook.writes:
        found = found or difference(own[name], others[name], tolerance, f"argument {name!r} afterwards")
    if found:
        fail(f"does not return what the reference returns: {found}")
    return True
