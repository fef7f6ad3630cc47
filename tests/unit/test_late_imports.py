"""Target modules that fail, are under way, or come one after the other are bound when they are there."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import syncfree
from syncfree import SelectionError
from syncfree.adapting import Binding, Form

from . import spawned
from .made_up import REDUCE, SLOW, MadeUp, compose_reduce
from .spawned import CALL
from .two_places import REPLACED


def test_a_target_module_that_cannot_be_met_fails_each_import_and_keeps_the_others_waiting(
    two: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "first")
    (two.folder / "somebody.py").write_text("def patch(*arguments):\n    return 'theirs'\n")
    two.install("1.0")
    source = two.folder / "made_up" / "work.py"
    sound = source.read_text()
    syncfree.load("made_up")
    source.write_text(sound + "\nimport somebody\nreduce = somebody.patch\n")
    for _ in range(2):
        with pytest.raises(SelectionError, match=REPLACED):
            two.work()
        assert {entry.state for entry in syncfree.plan()} == {"waiting"}
    source.write_text(sound)
    assert two.work().reduce(*CALL)[0] == "first"
    assert {entry.state for entry in syncfree.plan()} == {"bound"}


def test_a_target_module_that_failed_for_its_own_reasons_is_bound_when_it_is_imported_again(two: MadeUp) -> None:
    source = two.folder / "made_up" / "work.py"
    sound = source.read_text()
    syncfree.load("made_up")
    source.write_text(sound + "\nraise ImportError('no library yet')\n")
    with pytest.raises(ImportError, match="no library yet"):
        two.work()
    source.write_text(sound)
    assert two.work().reduce(*CALL)[0] == "first"


def test_a_module_that_was_under_way_when_it_was_to_be_watched_is_bound_by_the_next_look(two: MadeUp) -> None:
    """It loads us itself while it executes: no finder is asked for it any more."""
    source = two.folder / "made_up" / "work.py"
    source.write_text(source.read_text() + "\nimport syncfree\nsyncfree.load('made_up')\n")
    work = two.work()
    assert {entry.state for entry in syncfree.plan()} == {"bound"}
    assert work.reduce(*CALL)[0] == "first"
    assert SLOW.strip() in source.read_text()
    assert "made_up.work" in sys.modules


def test_a_binding_that_spans_modules_is_bound_when_the_last_of_them_is_there(
    made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from syncfree.fingerprints._fingerprint import fingerprint
    from syncfree.fingerprints._releases import Releases, write_releases

    spawned.register()
    monkeypatch.setenv("SYNCFREE_PLUGINS", "first")
    made_up.release("1.0")
    made_up.install("1.0")
    other = "def reduce(local, rank, size, group, device):\n    return ['upstream']\n"
    (made_up.folder / "made_up" / "other.py").write_text(other)
    targets = {REDUCE: fingerprint(SLOW, "reduce"), "made_up.other:reduce": fingerprint(other, "reduce")}
    made_up.record(REDUCE)
    seen = {target: {"1.0": record} for target, record in targets.items() if record is not None}
    write_releases(made_up.folder / "made_up_adapter" / "releases.json", Releases("made_up", ("1.0",), seen, {}))
    form = Form(">=1.0,<2", "stalls", "they stall", (compose_reduce, compose_reduce))
    made_up.adapter(Binding("dp_all_reduce", tuple(targets), (form,)))
    syncfree.load("made_up")
    work = made_up.work()
    import made_up.copies as copies

    assert work.reduce(*CALL)[0] == "upstream"
    import made_up.other

    assert work.reduce(*CALL)[0] == made_up_other_result() == "first"
    assert copies.reduce is work.reduce


def made_up_other_result() -> Any:
    """Return what the second module's function returns."""
    return sys.modules["made_up.other"].reduce(*CALL)[0]


def test_a_stand_in_for_a_target_module_is_not_the_module(two: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "made_up.work", type(sys)("made_up.work"))
        syncfree.load("made_up")
        assert {entry.state for entry in syncfree.plan()} == {"waiting"}
    assert two.work().reduce(*CALL)[0] == "first"
    assert {entry.state for entry in syncfree.plan()} == {"bound"}
