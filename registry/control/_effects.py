"""The effect of a switch on code that torch.compile or a CUDA graph has captured: a note, or a reason to refuse it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .._binding_state import BindingState
from .._modules import fully_imported
from .._variables import PREFIX


def notes(states: Iterable[BindingState]) -> list[str]:
    """Return what happens at the next call of compiled code, for bindings whose callers the framework may compile."""
    compiled = _compiled_frames()
    hooks = dict.fromkeys(state.binding.hook for state in states if _is_bound_in_captured_code(state))
    return [
        f"{hook}: torch.compile has compiled code here ({compiled} frames); what calls {hook} compiles once more at its next call"
        for hook in hooks
        if compiled
    ]


def refusals(states: Iterable[BindingState], in_lockstep: Iterable[BindingState]) -> list[str]:
    """Return why these bindings cannot be switched now.

    Args:
        states: the bindings to switch.
        in_lockstep: those of them that must switch on all ranks at the same call.
    """
    return [*dict.fromkeys([*_in_graphs(states), *_compiled_in_lockstep(in_lockstep)])]


def _in_graphs(states: Iterable[BindingState]) -> Iterator[str]:
    captured = _has_captured_graphs()
    for state in states:
        if captured and _is_bound_in_captured_code(state):
            hook = state.binding.hook
            yield (
                f"{hook}: this process has captured CUDA graphs, which keep the choice at capture; start it again with "
                f"{PREFIX}_{hook.upper()}, or switch before it captures"
            )


def _compiled_in_lockstep(states: Iterable[BindingState]) -> Iterator[str]:
    compiled = _compiled_frames()
    for state in states:
        if compiled and _is_bound_in_captured_code(state):
            hook = state.binding.hook
            yield (
                f"{hook}: torch.compile has compiled code here ({compiled} frames), whose calls cannot be held until all ranks "
                f"are at the same one; start the job again with {PREFIX}_{hook.upper()}"
            )


def _is_bound_in_captured_code(state: BindingState) -> bool:
    return state.binding.in_compiled_code and state.status == "bound"


def _compiled_frames() -> int:
    """Return how many frames torch.compile has compiled in this process."""
    utils: Any = fully_imported("torch._dynamo.utils")
    return 0 if utils is None else int(utils.counters["frames"]["total"])


def _has_captured_graphs() -> bool:
    """Return whether the allocator has memory pools of its own for captures, as every captured CUDA graph does."""
    torch: Any = fully_imported("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return False
    return any(tuple(segment["segment_pool_id"]) != (0, 0) for segment in torch.cuda.memory_snapshot())
