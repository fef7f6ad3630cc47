"""Binding and restoring, on a framework made for it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import syncfree
from syncfree import PluginError
from syncfree.adapting import Binding, Form

from .made_up import CALL, GATHER, REDUCE, MadeUp, both_binding, compose_reduce, reduce_binding


def test_a_needed_target_is_bound_after_its_module_executes_and_never_imported(ready: MadeUp) -> None:
    ready.adapter(reduce_binding())
    plan = syncfree.load("made_up")
    assert not ready.imported
    assert plan.entry("dp_all_reduce").state == "waiting"
    assert ready.work().reduce(*CALL) == ["mine", [1, 2], 0]
    assert syncfree.plan().entry("dp_all_reduce").state == "bound"


def test_a_target_that_is_already_imported_is_bound_with_its_copies(ready: MadeUp) -> None:
    ready.adapter(reduce_binding())
    work = ready.work()
    import made_up.copies as copies  # type: ignore[import-not-found]

    original = work.reduce
    syncfree.load("made_up")
    assert work.reduce is copies.reduce is not original
    assert copies.reduce(*CALL) == ["mine", [1, 2], 0]


def test_restore_puts_every_original_back_by_identity(ready: MadeUp) -> None:
    ready.adapter(both_binding())
    work = ready.work()
    before = dict(vars(work)), dict(vars(work.Sampler))
    syncfree.load("made_up")
    import made_up.copies as copies

    assert work.reduce is not before[0]["reduce"]
    assert copies.reduce is work.reduce
    assert syncfree.restore() == ()
    assert dict(vars(work)) == before[0]
    assert vars(work)["reduce"] is before[0]["reduce"] is copies.reduce
    assert vars(work.Sampler)["gather"] is before[1]["gather"]
    assert syncfree.plan().entry("dp_all_reduce").state == "restored"


def test_a_restored_framework_can_be_loaded_again(ready: MadeUp) -> None:
    ready.adapter(reduce_binding())
    work = ready.work()
    for _ in range(2):
        syncfree.load("made_up")
        assert work.reduce(*CALL)[0] == "mine"
        syncfree.restore()
        assert work.reduce(*CALL)[0] == "upstream"


def test_use_after_a_restore_binds_nothing_until_the_framework_is_loaded_again(ready: MadeUp) -> None:
    """A place that had been refused or had nothing to do is not bound behind the back of the next load."""
    ready.adapter(reduce_binding(Form(">=1.0,<2", "upstreamed", "fixed there", (compose_reduce,))))
    work = ready.work()
    syncfree.load("made_up")
    syncfree.restore()
    syncfree.use(dp_all_reduce="mine")
    assert work.reduce(*CALL)[0] == "upstream"
    syncfree.load("made_up")
    assert work.reduce(*CALL)[0] == "mine"


def test_restore_before_the_import_leaves_the_module_alone(ready: MadeUp) -> None:
    ready.adapter(reduce_binding())
    syncfree.load("made_up")
    syncfree.restore()
    assert ready.work().reduce(*CALL)[0] == "upstream"


def test_load_is_idempotent(ready: MadeUp) -> None:
    ready.adapter(reduce_binding())
    work = ready.work()
    syncfree.load("made_up")
    bound = work.reduce
    assert syncfree.load("made_up").manifest == syncfree.plan().manifest
    assert work.reduce is bound
    assert len(syncfree.plan().entries) == 1


def test_two_bindings_on_one_target_are_refused_and_both_named(ready: MadeUp) -> None:
    other = Binding("progress_reporting", (REDUCE,), (Form(">=1.0,<2", "stalls", "", (compose_reduce,)),))
    with pytest.raises(
        PluginError, match="dp_all_reduce of the test's made_up and progress_reporting of the test's made_up;"
    ):
        ready.adapter(reduce_binding(), other)
    ready.adapter(reduce_binding())
    with pytest.raises(
        PluginError, match="dp_all_reduce of the test's made_up and progress_reporting of the test's made_up_too"
    ):
        ready.adapter(other, framework="made_up_too")
    assert {adapter.framework for adapter in ready.runtime.adapters()} == {"made_up"}


def test_a_target_that_another_package_replaced_is_refused_and_the_package_named(
    ready: MadeUp, caplog: pytest.LogCaptureFixture
) -> None:
    ready.adapter(reduce_binding())
    work = ready.work()

    def theirs(local: Any, rank: Any, size: Any, group: Any, device: Any) -> str:
        return "theirs"

    work.reduce = theirs  # type: ignore[attr-defined]
    entry = syncfree.load("made_up").entry("dp_all_reduce")
    assert entry.state == "refused"
    assert f"was already replaced by {__name__}" in entry.reason
    assert "test_binding.py" in caplog.text
    assert work.reduce is theirs


def test_a_target_that_was_replaced_after_us_is_left_to_its_new_owner(ready: MadeUp) -> None:
    ready.adapter(reduce_binding())
    work = ready.work()
    syncfree.load("made_up")
    ours = work.reduce

    def wrapper(*args: Any) -> Any:
        return ["wrapped", *ours(*args)]

    work.reduce = wrapper  # type: ignore[attr-defined]
    (left,) = syncfree.restore()
    assert left.startswith(f"made_up.work:reduce was replaced by {__name__} ({__file__}:")
    assert work.reduce(*CALL)[:2] == ["wrapped", "upstream"]


def test_a_plugins_own_saved_original_is_not_rewritten(ready: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.adapter(reduce_binding())
    work = ready.work()
    saved = type(sys)("a_plugin_of_somebody")
    saved.original = work.reduce  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_plugin_of_somebody", saved)
    original = work.reduce
    syncfree.load("made_up")
    assert saved.original is original


def test_holders_lists_the_copies_that_a_binding_cannot_reach(ready: MadeUp) -> None:
    ready.adapter(reduce_binding())
    ready.work()
    import made_up.copies as copies

    original = copies.table["reduce"]
    syncfree.load("made_up")
    assert copies.table["reduce"] is original
    assert any("'reduce'" in holder for holder in syncfree.holders(REDUCE))
    with pytest.raises(LookupError, match="nothing is bound"):
        syncfree.holders(GATHER)


def test_an_adapter_whose_compose_fails_is_told_and_binds_nothing(ready: MadeUp) -> None:
    def failing(mine: Any, theirs: Any) -> Any:
        raise KeyError("LogprobsTensors")

    ready.adapter(reduce_binding(Form(">=1.0,<2", "stalls", "it stalls", (failing,))))
    work = ready.work()
    original = work.reduce
    entry = syncfree.load("made_up").entry("dp_all_reduce")
    assert "the adapter failed: KeyError: 'LogprobsTensors'" in entry.reason
    assert work.reduce is original
