"""The messages of a toggle about code that torch.compile or a CUDA graph has captured."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from syncfree.control._effects import notes, refusals

from .jobs import Job


def state(status: str = "bound", in_compiled_code: bool = True) -> Any:
    return SimpleNamespace(status=status, binding=SimpleNamespace(hook="qk_norm", in_compiled_code=in_compiled_code))


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    utils = ModuleType("torch._dynamo.utils")
    utils.counters = {"frames": {"total": 3}}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, utils.__name__, utils)


@pytest.fixture
def segments(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The allocator's segments of a process with a GPU; a captured graph has a pool of its own."""
    found: list[dict[str, Any]] = [{"segment_pool_id": (0, 0)}]
    torch = ModuleType("torch")
    cuda = {"is_available": lambda: True, "is_initialized": lambda: True, "memory_snapshot": lambda: found}
    torch.cuda = SimpleNamespace(**cuda)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    return found


def test_code_that_compiles_again_is_noted_once_for_a_hook(compiled: None) -> None:
    (note,) = notes([state(), state(), state("waiting"), state(in_compiled_code=False)])
    assert note.startswith("qk_norm: torch.compile has compiled code here (3 frames)")
    assert refusals([state()], []) == []


def test_without_compiled_code_nothing_is_noted() -> None:
    assert notes([state()]) == []


def test_calls_of_compiled_code_cannot_be_held_at_one_call(compiled: None) -> None:
    (refusal,) = refusals([state()], [state(), state()])
    assert "start the job again with SYNCFREE_QK_NORM" in refusal


def test_a_captured_graph_keeps_its_choice_so_the_switch_is_refused(segments: list[dict[str, Any]]) -> None:
    assert refusals([state()], []) == []
    segments.append({"segment_pool_id": (0, 1)})
    (refusal,) = refusals([state()], [])
    assert "has captured CUDA graphs, which keep the choice at capture" in refusal
    assert refusals([state("waiting"), state(in_compiled_code=False)], []) == []


def test_torch_s_own_counters_are_where_we_look() -> None:
    """The fixtures above stand in for these."""
    from torch._dynamo.utils import counters
    from torch.cuda import memory_snapshot

    assert counters["frames"]["total"] >= 0
    assert callable(memory_snapshot)


def test_a_hook_outside_of_compiled_code_is_switched_in_a_process_that_compiles(job: Job) -> None:
    job.start_ranks(2)
    for member in job.members:
        member.ask("compiled")
    job.serve()
    outcome = job.toggle(20.0, dp_all_reduce="upstream")
    assert (outcome.switched, outcome.notes) == (True, ())
    assert [told["wrong"] for told in job.stop()] == [[], []]
