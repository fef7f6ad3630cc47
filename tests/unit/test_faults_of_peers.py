"""Faults that were found in other plugin and patching systems: each is a test of ours, short and direct.

The numbers are for reading along only; each docstring says what fault of which kind of system the test guards against.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import syncfree
from syncfree import PluginError, SelectionError, hookimpl
from syncfree._variables import GENERAL_VARIABLES
from syncfree.adapters import sglang, sglang_srt, vllm
from syncfree.adapters.sglang.compiled_callers import COMPILED_CALLERS
from syncfree.adapters.vllm.ray_workers import VARIABLE
from syncfree.hooks import HOOKS

from .made_up import CALL, GATHER, REDUCE, SLOW, MadeUp, Mine, both_binding, reduce_binding

ROOT = Path(__file__).parents[2]


def plugin(function: Any) -> object:
    """An object whose dp_all_reduce is this function."""
    return type("OfTheTest", (), {"dp_all_reduce": staticmethod(hookimpl(exact=True)(function))})()


@pytest.fixture
def ready(made_up: MadeUp) -> MadeUp:
    """Release 1.0 stalls, is recorded and installed; the plugin ``mine`` is there."""
    syncfree.register(Mine(), "mine")
    made_up.release("1.0")
    made_up.record(REDUCE, GATHER)
    made_up.install("1.0")
    return made_up


def test_01_a_target_that_an_upgrade_took_away_is_told_and_nothing_claims_to_be_active(
    ready: MadeUp, caplog: pytest.LogCaptureFixture
) -> None:
    """A plugin whose target was gone logged one traceback, applied nothing, and printed its "activated" banner."""
    ready.adapter(reduce_binding())
    ready.install("1.1", SLOW.replace("def reduce", "def renamed"))
    caplog.set_level("INFO")
    plan = syncfree.load("made_up")
    entry = plan.entry("dp_all_reduce")
    assert (entry.state, entry.choice) == ("refused", "upstream")
    assert "made_up.work:reduce is gone" in entry.reason
    assert "made_up.work:reduce is gone" in caplog.text
    assert "bound" not in plan.summary()


@pytest.mark.parametrize("where", ["variable", "file", "program"])
def test_02_an_explicit_choice_is_strict_wherever_it_is_made(
    where: str, ready: MadeUp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``strict=1`` meant "fall back" in one package and "do not fall back" in its sibling."""
    ready.adapter(reduce_binding())
    file = tmp_path / "syncfree.toml"
    file.write_text("[hooks]\ndp_all_reduce = 'there_is_none'\n")
    if where == "variable":
        monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "there_is_none")
    elif where == "file":
        monkeypatch.setenv("SYNCFREE_CONFIG", str(file))

    def choose() -> object:
        return syncfree.use(dp_all_reduce="there_is_none") if where == "program" else syncfree.load("made_up")

    with pytest.raises(SelectionError, match="'there_is_none' does not implement dp_all_reduce"):
        choose()
    assert not any("strict" in name.lower() for name in GENERAL_VARIABLES)


@pytest.mark.parametrize("variable", ["SYNCFREE_DP_ALL_REDUCEE", "SYNCFREE_PLUGIN", "SYNCFREE_CONFG"])
def test_03_a_mistyped_variable_is_an_error_that_names_the_nearest(
    variable: str, ready: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistyped variable was dropped without a word, and the default ran instead of what was asked for."""
    monkeypatch.setenv(variable, "mine")
    ready.adapter(reduce_binding())
    with pytest.raises(SelectionError, match=f"{variable}.*did you mean"):
        syncfree.load("made_up")


def test_04_a_failing_implementation_is_not_repeated_on_what_it_has_changed(ready: MadeUp) -> None:
    """A dispatcher fell back to another implementation with arguments that the failing one had already changed."""

    def changes_and_fails(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        local.clear()
        raise RuntimeError("after the change")

    syncfree.register(plugin(changes_and_fails), "fails")
    ready.adapter(reduce_binding())
    work = ready.work()
    syncfree.load("made_up")
    syncfree.use(dp_all_reduce="fails")
    with pytest.raises(RuntimeError, match="after the change"):
        work.reduce([1, 2], 0, 1, None, "cpu")
    (counts,) = syncfree.counters()["dp_all_reduce"].values()
    assert (counts["fails"].calls, counts["fails"].declines) == (1, 0)
    assert counts["upstream"].calls == 0


def test_05_every_call_is_treated_like_the_first(ready: MadeUp) -> None:
    """A dispatcher's fallback protected the first call only: what failed later was raised, or the other way round."""
    answers = iter([NotImplemented, ["first"], ValueError("third"), NotImplemented, ValueError("fifth")])

    def in_turn(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    syncfree.register(plugin(in_turn), "in_turn")
    ready.adapter(reduce_binding())
    work = ready.work()
    syncfree.load("made_up")
    syncfree.use(dp_all_reduce="in_turn")
    upstream = ["upstream", [1, 2], 0, 1]
    assert [work.reduce(*CALL), work.reduce(*CALL)] == [upstream, ["first"]]
    with pytest.raises(ValueError, match="third"):
        work.reduce(*CALL)
    assert work.reduce(*CALL) == upstream
    with pytest.raises(ValueError, match="fifth"):
        work.reduce(*CALL)


def test_06_a_wrong_signature_is_refused_when_it_is_registered_and_restoring_unhooks(ready: MadeUp) -> None:
    """A hook registry took a function of another signature, which failed at the first request; its reset left the hook."""
    with pytest.raises(PluginError, match=r"dp_all_reduce\(.*\) is not the contract"):
        syncfree.register(plugin(lambda local, rank: None), "wrong")
    ready.adapter(reduce_binding())
    work = ready.work()
    original = work.reduce
    syncfree.load("made_up")
    assert work.reduce is not original
    assert syncfree.restore() == ()
    assert work.reduce is original


def test_07_copies_that_were_not_reached_are_told_and_a_saved_original_stays_the_original(ready: MadeUp) -> None:
    """Propagation missed values of dictionaries and partials in silence, and rewrote a plugin's saved original into itself."""
    ready.adapter(reduce_binding())
    work = ready.work()
    import made_up.copies as copies  # type: ignore[import-not-found]

    elsewhere = ModuleType("somebody_elses_plugin")
    elsewhere.original = work.reduce  # type: ignore[attr-defined]
    sys.modules["somebody_elses_plugin"] = elsewhere
    partial = functools.partial(work.reduce, [3])
    try:
        syncfree.load("made_up")
        assert copies.reduce is work.reduce
        assert elsewhere.original is not work.reduce
        assert elsewhere.original(*CALL) == ["upstream", [1, 2], 0, 1]
        told = "\n".join(syncfree.holders(REDUCE))
        assert "dict" in told
        assert "partial" in told
        assert partial(0, 1, None, "cpu")[0] == "upstream"
    finally:
        del sys.modules["somebody_elses_plugin"]


def test_08_none_is_a_result_a_failed_name_is_free_an_unknown_hook_is_refused_and_one_broken_plugin_is_left_out(
    ready: MadeUp, tmp_path: Path
) -> None:
    """In pluggy None means "ask the next", a failed registration keeps the name, an unknown hook passes, one bad entry point
    ends the whole load."""
    ready.adapter(reduce_binding())
    with pytest.raises(PluginError, match="unknown hook 'dp_al_reduce'; did you mean 'dp_all_reduce'"):
        syncfree.register(type("P", (), {"dp_al_reduce": staticmethod(hookimpl(lambda local: None))})(), "again")
    syncfree.register(plugin(lambda local, rank, size, group, device: None), "again")
    metadata = tmp_path / "broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[syncfree]\nbroken = there_is_no_such_module\n")
    work = ready.work()
    plan = syncfree.load("made_up")
    assert [line for line in plan.broken if "broken 1.0" in line and "there_is_no_such_module" in line]
    syncfree.use(dp_all_reduce="again")
    assert work.reduce(*CALL) is None


def test_09_every_target_of_a_binding_is_checked(ready: MadeUp) -> None:
    """A layer registry checked a signature once per repository: the second class of it went unchecked."""
    ready.adapter(both_binding())
    ready.install("1.0", SLOW.replace("def gather(self, logits, *, top=1)", "def gather(self, logits, top)"))
    entry = syncfree.load("made_up").entry("dp_all_reduce")
    assert entry.state == "refused"
    assert f"the signature of {GATHER} changed" in entry.reason
    assert ready.work().reduce(*CALL)[0] == "upstream"


def test_10_what_is_compared_is_ours_with_upstream_and_afterwards_nothing_is_patched(ready: MadeUp) -> None:
    """Kernels were patched into the whole process with no undo, and once a comparison compared them with themselves."""
    ready.adapter(reduce_binding())
    work = ready.work()
    original = work.reduce
    syncfree.load("made_up")
    results: list[str] = []
    syncfree.compare(lambda: results.append(work.reduce(*CALL)[0]), b="mine", hooks=("dp_all_reduce",), pairs=3)
    assert results.count("upstream") == results.count("mine") > 0
    assert syncfree.restore() == ()
    assert work.reduce is original


@pytest.mark.parametrize(
    ("framework", "ends_with"), [(vllm, SelectionError), (sglang, SystemExit), (sglang_srt, SystemExit)]
)
def test_11_an_unmet_choice_ends_a_framework_that_swallows_plugin_errors_and_one_that_does_not(
    framework: Any, ends_with: type[BaseException], ready: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception of a plugin stops vLLM's server and is logged and forgotten by SGLang: what was asked for must be seen."""
    ready.adapter(reduce_binding(), framework=framework.ADAPTER.framework)
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "there_is_none")
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(ends_with, match="'there_is_none' does not implement dp_all_reduce"):
        framework.activate()


def test_12_ray_carries_our_variables_to_its_workers_and_none_begins_with_another_projects_prefix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray drops variables that vLLM does not know, and a variable that begins with ``VLLM_`` and is not vLLM's fails there."""
    monkeypatch.setenv("SYNCFREE", "off")
    monkeypatch.setenv(VARIABLE, "ACME_")
    vllm.activate()
    assert os.environ[VARIABLE] == "ACME_,SYNCFREE"
    names = {*GENERAL_VARIABLES, *(hook.variable for hook in HOOKS.values())}
    assert all(name.startswith("SYNCFREE") for name in names)


def test_13_a_binding_that_may_be_captured_says_that_captured_graphs_keep_their_choice(ready: MadeUp) -> None:
    """A toggle had no effect inside of a captured graph, and nothing said so."""
    ready.adapter(reduce_binding(note=COMPILED_CALLERS))
    assert syncfree.load("made_up").entry("dp_all_reduce").note == COMPILED_CALLERS
    assert COMPILED_CALLERS in json.dumps(syncfree.plan().as_dict())
    assert "A captured CUDA graph keeps the choice at capture" in (ROOT / "docs" / "choosing.md").read_text()


@pytest.mark.with_torch
def test_14_the_end_of_one_threads_audit_leaves_another_thread_armed() -> None:
    """torch's sync debug mode is one switch per process: when one thread put it back, no thread was watched any more."""
    program = """
import threading
import torch
from syncfree.audit import audit

first_ended, second_began = threading.Event(), threading.Event()
counted = {}

def second():
    with audit(backend="simulated") as report:
        second_began.set()
        assert first_ended.wait(60)
        torch.ones(3, device="cuda").sum().item()
    counted["second"] = len(report)

with audit(backend="simulated") as report:
    thread = threading.Thread(target=second)
    thread.start()
    assert second_began.wait(60)
first_ended.set()
thread.join()
print(len(report), counted["second"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.split() == ["0", "1"], done.stderr
