"""Verification: the other implementation beside the chosen one, on a share of the calls."""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import syncfree
from syncfree import SelectionError, VerificationError, hookimpl
from syncfree._select import read_selection
from syncfree.adapting import Binding, Form
from syncfree.hooks import HOOKS
from syncfree.verifying import _settings
from syncfree.verifying._verifier import Verifier

from .made_up import MadeUp

HOOK = "pooled_rows"
ROWS = "made_up.work:rows"
REORDER = "made_up.work:reorder"
SOURCE = """
def rows(pooled, rows):
    if "raise" in pooled:
        raise KeyError("upstream cannot")
    return [pooled[row] for row in rows]


def reorder(states, source, destination):
    read = [[state[row].clone() for row in source] for state in states]
    for state, values in zip(states, read):
        for row, value in zip(destination, values):
            state[row] = value
"""


def passing(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    def rows(pooled: Any, rows: Any) -> Any:
        return mine(pooled, rows)

    return rows


def passing_states(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    def reorder(states: Any, source: Any, destination: Any) -> Any:
        return mine(states, source, destination)

    return reorder


class Right:
    @hookimpl(exact=True)
    def pooled_rows(self, pooled: Any, rows: Any) -> Any:
        return [pooled[row] for row in rows]


class Wrong:
    """Forgets the last row, calls of ``decline`` excepted."""

    calls = 0

    @hookimpl(exact=True)
    def pooled_rows(self, pooled: Any, rows: Any) -> Any:
        type(self).calls += 1
        if "decline" in pooled:
            return NotImplemented
        return [pooled[row] for row in rows[:-1]]

    @hookimpl(exact=True)
    def draft_reorder(self, states: Any, source: Any, destination: Any) -> None:
        for state in states:
            state[0] = -1


class Greedy:
    """Returns the right rows, and takes them out of what it was given."""

    @hookimpl(exact=True)
    def pooled_rows(self, pooled: Any, rows: Any) -> Any:
        found = [pooled[row] for row in rows]
        del pooled[rows[-1]]
        return found


@pytest.fixture
def work(made_up: MadeUp) -> MadeUp:
    """Two pure functions of a framework, the first of which can be repeated; ``wrong`` is chosen."""
    Wrong.calls = 0
    made_up.release("1.0", SOURCE)
    made_up.record(ROWS, REORDER)
    made_up.install("1.0")
    made_up.adapter(
        Binding(HOOK, (ROWS,), (Form(">=1.0,<2", "stalls", "it stalls", (passing,)),), repeatable=True),
        Binding("draft_reorder", (REORDER,), (Form(">=1.0,<2", "stalls", "it stalls", (passing_states,)),)),
    )
    for plugin in (Right(), Wrong(), Greedy()):
        syncfree.register(plugin)
    return made_up


def chosen(made_up: MadeUp, plugin: str = "wrong", hook: str = HOOK) -> Any:
    """Load the framework with an implementation in use, and return its module."""
    module = made_up.work()
    syncfree.load("made_up")
    syncfree.use(**{hook: plugin})
    return module


def test_a_wrong_implementation_is_found_and_rolled_back_within_the_expected_number_of_calls(work: MadeUp) -> None:
    """With a share of 1 %, 99.9 % of wrong implementations are found within 690 calls; this draw is seeded."""
    module = chosen(work)
    syncfree.verify(pooled_rows=0.01)
    random.seed(41)
    results = [module.rows([1, 2, 3], [0, 1]) for _ in range(690)]
    found = syncfree.verified()[HOOK][ROWS]
    assert (found.compared, found.mismatches) == (1, 1)
    first_right = results.index([1, 2])
    assert all(result == [1] for result in results[:first_right])
    assert all(result == [1, 2] for result in results[first_right:])  # the verified call itself, and all after it
    assert Wrong.calls == first_right + 1
    entry = syncfree.plan().entry(HOOK)
    assert (entry.choice, entry.source) == ("upstream", "a mismatch found by verification")


def test_a_right_implementation_is_compared_and_stays(work: MadeUp) -> None:
    module = chosen(work, "right")
    syncfree.verify(pooled_rows=1)
    for _ in range(10):
        assert module.rows([1, 2], [1]) == [2]
    found = syncfree.verified()[HOOK][ROWS]
    assert (found.compared, found.mismatches, found.first, found.against) == (10, 0, None, "upstream")
    assert syncfree.plan().entry(HOOK).choice == "right"


def test_the_cost_of_verification_is_counted_apart(work: MadeUp) -> None:
    module = chosen(work, "right")
    syncfree.verify(pooled_rows=0.0)
    module.rows([1, 2], [1])
    assert HOOK not in syncfree.verified()
    syncfree.verify(pooled_rows=1)
    assert syncfree.verified()[HOOK][ROWS].seconds == 0
    module.rows([1, 2], [1])
    assert syncfree.verified()[HOOK][ROWS].seconds > 0
    assert syncfree.counters()[HOOK][ROWS]["right"].calls == 2


def test_where_nothing_is_verified_the_slot_calls_what_it_called_before(work: MadeUp, runtime: Any) -> None:
    """Nothing is paid for a verification that is off: not one more function is called."""
    chosen(work, "right")
    slot = runtime.patch(ROWS).slot
    before = slot.current
    syncfree.verify(pooled_rows=0.5)
    assert slot.current[1] is not before[1]
    assert slot.current[0] == before[0]  # the counters go on
    syncfree.verify(pooled_rows=0)
    assert slot.current == before


def test_the_policy_log_keeps_the_choice_and_its_result(work: MadeUp, caplog: pytest.LogCaptureFixture) -> None:
    module = chosen(work)
    syncfree.verify(pooled_rows=1, on_mismatch="log")
    for _ in range(5):
        assert module.rows([1, 2], [0, 1]) == [1]
    assert syncfree.verified()[HOOK][ROWS].mismatches == 5
    assert syncfree.plan().entry(HOOK).choice == "wrong"
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [line.partition(":")[0] + line.partition(":")[2].partition(":")[0] for line in logged] == [
        f"syncfree mismatch {number}" for number in (1, 2, 4)
    ]
    assert "pooled_rows=wrong differs from upstream at made_up.work:rows: the result has ['0'], not ['0', '1']" in logged[0]
    assert "arguments: pooled: list of 2, rows: list of 2" in logged[0]


def test_the_policy_raise_raises_in_the_call(work: MadeUp) -> None:
    module = chosen(work)
    syncfree.verify(pooled_rows=1, on_mismatch="raise")
    with pytest.raises(VerificationError, match="pooled_rows=wrong differs from upstream at made_up"):
        module.rows([1, 2], [0, 1])


def test_an_implementation_that_changes_its_arguments_is_found(work: MadeUp) -> None:
    module = chosen(work, "greedy")
    syncfree.verify(pooled_rows=1)
    assert module.rows([1, 2, 3], [0, 1]) == [1, 2]
    first = syncfree.verified()[HOOK][ROWS].first
    assert first is not None
    assert first.problem.startswith("argument 'pooled' afterwards has")


def test_a_declined_call_is_not_compared(work: MadeUp) -> None:
    module = chosen(work)
    syncfree.verify(pooled_rows=1)
    assert module.rows(["decline", 2], [1, 0]) == [2, "decline"]
    found = syncfree.verified()[HOOK][ROWS]
    assert (found.compared, found.mismatches) == (0, 0)
    assert syncfree.counters()[HOOK][ROWS]["wrong"].declines == 1


def test_a_call_that_upstream_refuses_is_a_mismatch(work: MadeUp) -> None:
    module = chosen(work, "right")
    syncfree.verify(pooled_rows=1)
    assert module.rows(["raise", 2], [1]) == [2]
    first = syncfree.verified()[HOOK][ROWS].first
    assert first is not None
    assert "where the other raises KeyError: 'upstream cannot'" in first.problem
    assert syncfree.plan().entry(HOOK).choice == "upstream"


def test_an_explicit_choice_after_a_rollback_is_met_and_verified_again(work: MadeUp) -> None:
    module = chosen(work)
    syncfree.verify(pooled_rows=1)
    module.rows([1, 2], [0, 1])
    syncfree.use(pooled_rows="right")
    assert syncfree.plan().entry(HOOK).choice == "right"
    assert module.rows([1, 2], [0, 1]) == [1, 2]
    assert syncfree.verified()[HOOK][ROWS].compared == 2


def test_threads_that_find_the_same_mismatch_roll_back_once(work: MadeUp, caplog: pytest.LogCaptureFixture) -> None:
    module = chosen(work)
    syncfree.verify(pooled_rows=1)
    barrier = threading.Barrier(4)

    def calls() -> None:
        barrier.wait()
        for _ in range(50):
            module.rows([1, 2], [0, 1])

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert syncfree.plan().entry(HOOK).choice == "upstream"
    assert 1 <= syncfree.verified()[HOOK][ROWS].mismatches <= 4
    assert module.rows([1, 2], [0, 1]) == [1, 2]


def test_the_environment_verifies_from_the_first_call_on(work: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCFREE_VERIFY", "pooled_rows=1")
    monkeypatch.setenv("SYNCFREE_VERIFY_ON_MISMATCH", "log")
    monkeypatch.setenv("SYNCFREE_POOLED_ROWS", "wrong")
    syncfree.load("made_up")
    module = work.work()  # bound on import
    module.rows([1, 2], [0, 1])
    found = syncfree.verified()[HOOK][ROWS]
    assert (found.compared, found.mismatches, found.on_mismatch) == (1, 1, "log")


@pytest.mark.with_torch
def test_where_upstream_cannot_be_repeated_the_reference_runs_on_copies_and_its_result_replaces_the_wrong_one(
    work: MadeUp,
) -> None:
    import torch

    module = chosen(work, "wrong", "draft_reorder")
    syncfree.verify(draft_reorder=1)
    states = torch.arange(6.0).view(3, 2), torch.arange(3)
    module.reorder(states, [0], [2])
    assert states[0].tolist() == [[0, 1], [2, 3], [0, 1]]
    assert states[1].tolist() == [0, 1, 0]
    found = syncfree.verified()["draft_reorder"][REORDER]
    assert (found.against, found.mismatches) == ("reference", 1)
    assert found.first is not None
    assert found.first.inputs[:2] == ("states[0]: float32 [3, 2] on cpu", "states[1]: int64 [3] on cpu")


@pytest.mark.with_torch
def test_the_arguments_of_the_first_mismatch_are_kept_only_when_asked_for(work: MadeUp, tmp_path: Path) -> None:
    import torch

    folder = tmp_path / "kept"
    module = chosen(work, "wrong", "draft_reorder")
    syncfree.verify(draft_reorder=1, on_mismatch="log")
    module.reorder((torch.arange(3),), [0], [2])
    assert not folder.exists()
    syncfree.verify(draft_reorder=1, on_mismatch="log", contents=str(folder))
    for _ in range(2):
        module.reorder((torch.arange(3),), [0], [2])
    (kept,) = folder.glob("*.json")
    arguments = json.loads(kept.read_text())["arguments"]
    assert arguments["source"] == {"list": [0]}
    first = syncfree.verified()["draft_reorder"][REORDER].first
    assert first is not None
    assert first.contents == str(kept)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pooled_row=0.1", "SYNCFREE_VERIFY: unknown hook 'pooled_row'; did you mean 'pooled_rows'"),
        ("pooled_rows", "SYNCFREE_VERIFY: 'pooled_rows' is not written like sampler_logprob_gather=0.01"),
        ("pooled_rows=a tenth", "pooled_rows has the share 'a tenth', which is not a number from 0 to 1"),
        ("pooled_rows=1.5", "pooled_rows has the share 1.5, which is not a number from 0 to 1"),
        ("pooled_rows=-0.5", "pooled_rows has the share -0.5, which is not a number from 0 to 1"),
        ("pooled_rows=nan", "pooled_rows has the share nan, which is not a number from 0 to 1"),
        ("pooled_rows=0.1,pooled_rows=0.2", "SYNCFREE_VERIFY names pooled_rows twice"),
        ("dp_all_reduce=0.1", "dp_all_reduce cannot be verified: it is a collective"),
        ("vae_decode=0.1", "vae_decode cannot be verified: it is not pure, and its contract does not list what a call changes"),
        ("sampler_staged_writes=0.1", "cannot be verified: it calls write for an effect that cannot be copied"),
    ],
)
def test_a_mistake_in_the_variable_is_an_error_at_load(text: str, message: str) -> None:
    with pytest.raises(SelectionError) as caught:
        read_selection({"SYNCFREE_VERIFY": text}, HOOKS)
    assert message in str(caught.value)


def test_an_unknown_policy_is_an_error_with_the_nearest() -> None:
    with pytest.raises(SelectionError, match="unknown policy 'upstrem'; did you mean 'upstream'"):
        read_selection({"SYNCFREE_VERIFY": "pooled_rows=1", "SYNCFREE_VERIFY_ON_MISMATCH": "upstrem"}, HOOKS)


def test_a_mistake_in_a_call_changes_nothing(work: MadeUp) -> None:
    module = chosen(work)
    with pytest.raises(SelectionError, match="dp_all_reduce cannot be verified"):
        syncfree.verify(pooled_rows=1, dp_all_reduce=1)
    module.rows([1, 2], [0, 1])
    assert syncfree.verified() == {}


def test_while_syncfree_is_off_a_call_only_warns(
    work: MadeUp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SYNCFREE", "off")
    syncfree.verify(pooled_rows=1)
    assert "switched off; nothing of pooled_rows is verified" in caplog.text


def test_an_instrument_is_not_called_while_torch_compile_traces(work: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncfree.verifying._verifier.is_traced_function", lambda: lambda: True)
    module = chosen(work)
    syncfree.verify(pooled_rows=1)
    assert module.rows([1, 2], [0, 1]) == [1]
    assert syncfree.verified()[HOOK][ROWS].compared == 0


@pytest.mark.parametrize("hook", [hook for hook in HOOKS.values() if _settings.obstacle_of(hook) is None], ids=lambda hook: hook.name)
def test_every_hook_that_can_be_verified_is_pure_or_lists_what_it_changes(hook: Any) -> None:
    assert not hook.lockstep
    assert hook.pure or hook.writes
    assert Verifier(hook, _settings.Settings(1.0), print).results() == {}
