"""The user's and the program's choices, from the environment and from `syncfree.use`, on a framework made for it."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest

import syncfree
from syncfree import PluginError, SelectionError, _catalogue
from syncfree._adapters import Adapters
from syncfree.adapting import Adapter

from .made_up import CALL, REDUCE, SLOW, Inexact, MadeUp, reduce_binding


def test_off_binds_nothing(ready: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCFREE", "off")
    ready.adapter(reduce_binding())
    finders = list(sys.meta_path)
    plan = syncfree.load("made_up")
    assert not plan.enabled
    assert sys.meta_path == finders
    assert ready.work().reduce(*CALL)[0] == "upstream"


def test_a_use_call_in_a_program_that_is_switched_off_says_so(
    ready: MadeUp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SYNCFREE", "off")
    with syncfree.use(dp_all_reduce="mine"):
        assert "switched off" in caplog.text


def test_a_program_that_is_switched_off_raises_nothing_and_discovers_nothing(
    ready: MadeUp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def discovering(*_: Any) -> Any:
        raise AssertionError("something was discovered")

    monkeypatch.setattr(_catalogue, "discover", discovering)
    monkeypatch.setattr(Adapters, "discover", discovering)
    for name, value in {"SYNCFREE": "off", "SYNCFREE_X": "1", "SYNCFREE_CONFIG": "/no/such/file"}.items():
        monkeypatch.setenv(name, value)
    with syncfree.use(dp_all_reduce="nothing", no_such_hook="x"):
        assert "the choice of dp_all_reduce, no_such_hook does nothing" in caplog.text
    assert not syncfree.load("made_up").enabled
    assert syncfree.plan().entries == ()


def test_a_wrong_variable_is_an_error_in_the_frameworks_own_log(
    ready: MadeUp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ready.runtime.adapters().add(Adapter("logging", "made_up", ("made-up",), (reduce_binding(),), "made_up_adapter", "made_up.log"))
    monkeypatch.setenv("SYNCFREE_X", "1")
    with pytest.raises(SelectionError, match="unknown variable SYNCFREE_X"):
        syncfree.load("logging")
    assert [record.name for record in caplog.records if record.levelno == logging.ERROR] == ["made_up.log"]


def test_upstream_chosen_by_the_environment_leaves_the_framework_untouched(
    ready: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "upstream")
    ready.adapter(reduce_binding())
    work = ready.work()
    original = work.reduce
    entry = syncfree.load("made_up").entry("dp_all_reduce")
    assert work.reduce is original
    assert (entry.state, entry.choice, entry.source) == ("not bound", "upstream", "SYNCFREE_DP_ALL_REDUCE")


def test_an_implementation_that_is_not_exact_is_not_chosen_by_default(
    ready: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncfree.register(Inexact(), "inexact")
    monkeypatch.setenv("SYNCFREE_PLUGINS", "inexact")
    ready.adapter(reduce_binding())
    assert syncfree.load("made_up").entry("dp_all_reduce").state == "not bound"
    with syncfree.use(dp_all_reduce="inexact"):
        assert ready.work().reduce(*CALL)[0] == "inexact"


def test_calls_and_declines_are_counted_by_choice(ready: MadeUp) -> None:
    ready.adapter(reduce_binding())
    work = ready.work()
    syncfree.load("made_up")
    work.reduce(*CALL)
    assert work.reduce([1, 2], 99, 1, None, "cpu")[0] == "upstream"
    with syncfree.use(dp_all_reduce="upstream"):
        work.reduce(*CALL)
    counts = syncfree.counters()["dp_all_reduce"][REDUCE]
    assert counts == {"mine": syncfree.Counts(2, 1), "upstream": syncfree.Counts(1, 0)}
    assert syncfree.plan().entry("dp_all_reduce").calls == 2


def test_use_as_a_block_goes_back_to_what_was_and_as_a_setter_stays(ready: MadeUp) -> None:
    syncfree.register(Inexact(), "inexact")
    ready.adapter(reduce_binding())
    work = ready.work()
    syncfree.use(dp_all_reduce="mine")
    with pytest.raises(SelectionError, match="plugin 'inexact' is denied"):
        syncfree.use(dp_all_reduce="inexact")
    syncfree.load("made_up")
    with syncfree.use(dp_all_reduce="upstream"):
        assert work.reduce(*CALL)[0] == "upstream"
        with syncfree.use(dp_all_reduce="mine"):
            assert work.reduce(*CALL)[0] == "mine"
        assert work.reduce(*CALL)[0] == "upstream"
    assert work.reduce(*CALL)[0] == "mine"


def test_use_with_a_wrong_name_switches_nothing(ready: MadeUp) -> None:
    ready.adapter(reduce_binding())
    work = ready.work()
    syncfree.load("made_up")
    for choices, message in (
        ({"dp_all_reduce": "upsteam"}, "did you mean 'upstream'"),
        ({"dp_all_reduc": "mine"}, "unknown hook 'dp_all_reduc'; did you mean 'dp_all_reduce'"),
        ({"dp_all_reduce": "upstream", "nothing": "mine"}, "unknown hook 'nothing'"),
    ):
        with pytest.raises(SelectionError, match=message):
            syncfree.use(**choices)
        assert work.reduce(*CALL)[0] == "mine"


def test_an_explicit_choice_that_cannot_be_met_is_an_error_and_nothing_is_bound(
    ready: MadeUp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "mine")
    ready.install("1.0", SLOW.replace('["upstream"', '["changed"'))
    ready.adapter(reduce_binding())
    with pytest.raises(SelectionError, match="SYNCFREE_DP_ALL_REDUCE asks for 'mine' of dp_all_reduce, which cannot be met"):
        syncfree.load("made_up")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert ready.work().reduce(*CALL)[0] == "changed"


def test_a_framework_that_is_not_installed_is_an_error(made_up: MadeUp) -> None:
    made_up.record()
    made_up.adapter(reduce_binding())
    with pytest.raises(SelectionError, match="made_up is not installed"):
        syncfree.load("made_up")
    with pytest.raises(SelectionError, match="no adapter for 'mad_up'; did you mean 'made_up'"):
        syncfree.load("mad_up")


@pytest.mark.parametrize("name", ["mine", "sync_free"])
def test_a_name_that_is_taken_is_refused_when_it_is_registered_and_nothing_else_breaks(ready: MadeUp, name: str) -> None:
    with pytest.raises(PluginError, match=f"'{name}': the name is taken"):
        syncfree.register(Inexact(), name)
    ready.adapter(reduce_binding())
    syncfree.load("made_up")
    assert ready.work().reduce(*CALL)[0] == "mine"


def test_the_manifest_differs_when_a_choice_differs(ready: MadeUp) -> None:
    ready.adapter(reduce_binding())
    ready.work()
    first = syncfree.load("made_up").manifest
    with syncfree.use(dp_all_reduce="upstream"):
        assert syncfree.plan().manifest != first
    assert syncfree.plan().manifest == first
