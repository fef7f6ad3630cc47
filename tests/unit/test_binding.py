"""Judging, binding, toggling and restoring, on a framework made for it."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest

import syncfree
from syncfree import PluginError, SelectionError, _catalogue, hookimpl
from syncfree._adapters import Adapters
from syncfree.adapting import Adapter, Binding, Form
from syncfree.fingerprints._releases import read_releases

from .made_up import GATHER, REDUCE, SLOW, MadeUp, both_binding, compose_reduce, reduce_binding

CALL = ([1, 2], 0, 1, None, "cpu")


class Mine:
    """An exact plugin."""

    @staticmethod
    @hookimpl(exact=True)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        if rank == 99:
            return NotImplemented
        return ["mine", local, rank]


class Inexact:
    """A plugin that is not declared exact."""

    @staticmethod
    @hookimpl
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return ["inexact", local, rank]


@pytest.fixture
def only_mine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin ``mine`` is registered and preferred."""
    syncfree.register(Mine(), "mine")
    monkeypatch.setenv("SYNCFREE_PLUGINS", "mine")


@pytest.fixture
def ready(made_up: MadeUp, only_mine: None) -> MadeUp:
    """Release 1.0 stalls, is recorded, installed, and has an adapter."""
    made_up.release("1.0")
    made_up.record(REDUCE, GATHER)
    made_up.install("1.0")
    return made_up


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


def test_an_upstreamed_release_is_left_alone_unless_the_user_names_an_implementation(
    ready: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.adapter(reduce_binding(Form(">=1.0,<2", "upstreamed", "fixed there", (compose_reduce,))))
    entry = syncfree.load("made_up").entry("dp_all_reduce")
    assert (entry.verdict, entry.state) == ("upstreamed", "not bound")
    syncfree.restore()
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "mine")
    ready.runtime.forget_selection()
    syncfree.load("made_up")
    assert ready.work().reduce(*CALL)[0] == "mine"


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


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (SLOW.replace('["upstream"', '["changed"'), "the code of made_up.work:reduce changed: expected sha256:"),
        (
            SLOW.replace("reduce(local,", "reduce(extra, local,"),
            "the signature of made_up.work:reduce changed: expected (local",
        ),
        (SLOW.replace("def reduce(", "def reduce_v2("), "made_up.work:reduce is gone"),
        ("def broken(:\n", "its source cannot be read"),
    ],
    ids=["body", "signature", "gone", "unparsable"],
)
def test_an_upgrade_that_changed_the_target_is_refused_and_told(
    ready: MadeUp, source: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    ready.install("1.0", source)
    ready.adapter(reduce_binding())
    entry = syncfree.load("made_up").entry("dp_all_reduce")
    assert (entry.verdict, entry.state) == ("unknown", "refused")
    assert reason in entry.reason
    assert reason in caplog.text
    assert "bound" not in syncfree.plan().summary()


@pytest.mark.parametrize("changed", ["reduce", "gather"])
def test_a_binding_with_one_changed_target_is_not_half_applied(ready: MadeUp, changed: str) -> None:
    ready.install("1.0", SLOW.replace(f"def {changed}(", f"def {changed}_v2("))
    ready.adapter(both_binding())
    work = ready.work()
    before = dict(vars(work)), dict(vars(work.Sampler))
    syncfree.load("made_up")
    assert (dict(vars(work)), dict(vars(work.Sampler))) == before


def test_a_release_that_was_not_seen_is_refused_and_the_override_binds_it(
    ready: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.install("2.1", SLOW)
    (ready.folder / "made_up-1.0.dist-info" / "METADATA").unlink()
    (ready.folder / "made_up-1.0.dist-info").rmdir()
    ready.adapter(reduce_binding())
    entry = syncfree.load("made_up").entry("dp_all_reduce")
    assert entry.state == "refused"
    assert "made_up 2.1 was not seen before (seen: >=1.0,<2); its code is that of >=1.0,<2" in entry.reason
    assert "SYNCFREE_ALLOW_UNKNOWN=dp_all_reduce" in entry.reason
    syncfree.restore()
    monkeypatch.setenv("SYNCFREE_ALLOW_UNKNOWN", "dp_all_reduce")
    ready.runtime.forget_selection()
    syncfree.load("made_up")
    assert ready.work().reduce(*CALL)[0] == "mine"


def test_a_release_that_was_read_without_the_target_is_absent_and_not_refused(
    made_up: MadeUp, only_mine: None, caplog: pytest.LogCaptureFixture
) -> None:
    made_up.release("1.0", SLOW.replace("def reduce(", "def not_yet("))
    made_up.release("1.1")
    made_up.record(REDUCE)
    made_up.install("1.0")
    made_up.adapter(reduce_binding())
    entry = syncfree.load("made_up").entry("dp_all_reduce")
    assert (entry.verdict, entry.state) == ("absent", "not bound")
    assert caplog.text == ""


def test_an_unseen_release_is_upstreamed_only_if_what_the_replacement_relies_on_is_the_fixed_one_too(ready: MadeUp) -> None:
    fixed = SLOW.replace('("upstream", logits, top)', '("fixed", logits, top)')
    ready.release("2.0", fixed)
    ready.record(REDUCE, GATHER)
    forms = (Form(">=1.0,<2", "stalls", "it stalls", (compose_reduce,)), Form(">=2.0,<=2.0", "upstreamed", "fixed", None))
    ready.adapter(Binding("dp_all_reduce", (REDUCE,), forms, depends=(GATHER,)))
    (ready.folder / "made_up-1.0.dist-info" / "METADATA").unlink()
    (ready.folder / "made_up-1.0.dist-info").rmdir()
    for source, verdict in ((SLOW, "unknown"), (fixed, "upstreamed")):
        ready.install("3.0", source)
        assert syncfree.load("made_up").entry("dp_all_reduce").verdict == verdict
        syncfree.restore()


def test_release_data_that_was_edited_by_hand_refuses_the_binding_and_raises_nothing(
    ready: MadeUp, caplog: pytest.LogCaptureFixture
) -> None:
    data = ready.folder / "made_up_adapter" / "releases.json"
    data.write_text(data.read_text().replace("(local", "(lokal"))
    read_releases.cache_clear()
    ready.adapter(reduce_binding())
    assert syncfree.load("made_up").entry("dp_all_reduce").state == "refused"
    assert "was changed by hand" in caplog.text


def test_a_changed_signature_cannot_be_overridden(ready: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCFREE_ALLOW_UNKNOWN", "dp_all_reduce")
    ready.install("1.0", SLOW.replace("reduce(local,", "reduce(extra, local,"))
    ready.adapter(reduce_binding())
    syncfree.load("made_up")
    assert ready.work().reduce(0, *CALL)[0] == "upstream"


def test_a_release_that_carries_the_fixed_code_counts_as_upstreamed(ready: MadeUp) -> None:
    fixed = SLOW.replace("list(local)", "local")
    ready.release("2.0", fixed)
    ready.record(REDUCE)
    ready.install("1.0", fixed)
    ready.adapter(
        reduce_binding(
            Form(">=1.0,<2", "stalls", "it stalls", (compose_reduce,)), Form(">=2.0,<=2.0", "upstreamed", "fixed", None)
        )
    )
    assert syncfree.load("made_up").entry("dp_all_reduce").verdict == "upstreamed"


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


def test_a_binding_that_cannot_be_judged_is_refused_and_the_others_are_bound(
    ready: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:

    from syncfree import _binding_state

    judge = _binding_state.judge

    def failing(binding: Binding, *others: Any) -> Any:
        if binding.targets == (GATHER,):
            raise ZeroDivisionError("a fault of ours")
        return judge(binding, *others)

    monkeypatch.setattr(_binding_state, "judge", failing)
    gather = Binding("progress_reporting", (GATHER,), (Form(">=1.0,<2", "stalls", "", (compose_reduce,)),))
    ready.adapter(reduce_binding(), gather)
    plan = syncfree.load("made_up")
    assert "ZeroDivisionError: a fault of ours" in plan.entry("progress_reporting").reason
    assert plan.entry("progress_reporting").state == "refused"
    assert ready.work().reduce(*CALL)[0] == "mine"
