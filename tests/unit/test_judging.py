"""The verdicts on installed releases that were seen, changed, or never seen, on a framework made for it."""

from __future__ import annotations

from typing import Any

import pytest

import syncfree
from syncfree.adapting import Binding, Form
from syncfree.fingerprints._releases import read_releases

from .made_up import CALL, GATHER, REDUCE, SLOW, MadeUp, both_binding, compose_reduce, reduce_binding


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
