"""A switch is made as a whole or not at all, whoever else is patching."""

from __future__ import annotations

import pytest

import syncfree
from syncfree import SelectionError

from .made_up import MadeUp
from .spawned import CALL
from .two_places import REPLACED, state_of, theirs


def test_use_beside_somebodys_patch_switches_nothing(two: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "upstream")
    work = two.work()
    monkeypatch.setattr(work.Sampler, "gather", theirs)
    syncfree.load("made_up")
    before = state_of(two)
    for _ in range(2):
        with pytest.raises(SelectionError, match=REPLACED):
            syncfree.use(dp_all_reduce="first")
        assert state_of(two) == before


def test_a_with_block_that_could_not_begin_is_not_in_force(two: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "upstream")
    work = two.work()
    monkeypatch.setattr(work, "reduce", theirs)
    syncfree.load("made_up")
    with pytest.raises(SelectionError, match=REPLACED), syncfree.use(dp_all_reduce="first"):
        raise AssertionError("it began")
    assert [entry.choice for entry in syncfree.plan()] == ["upstream", "upstream"]
    monkeypatch.undo()
    assert two.work().Sampler().gather(1)[0] == "upstream"


def test_load_beside_somebodys_patch_binds_nothing_and_fails_each_time(
    two: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "first")
    work = two.work()
    import made_up.copies as copies  # type: ignore[import-not-found]

    gather = work.Sampler.gather
    monkeypatch.setattr(work.Sampler, "gather", theirs)
    before = dict(vars(work)), dict(vars(work.Sampler)), copies.reduce
    for _ in range(2):
        with pytest.raises(SelectionError, match=f"SYNCFREE_DP_ALL_REDUCE=first cannot be met: .*{REPLACED}"):
            syncfree.load("made_up")
        assert (dict(vars(work)), dict(vars(work.Sampler)), copies.reduce) == before
        assert syncfree.plan().loaded == ()
    monkeypatch.setattr(work.Sampler, "gather", gather)
    syncfree.load("made_up")
    assert copies.reduce is work.reduce is not before[0]["reduce"]


def test_a_patch_that_is_gone_can_be_switched_over(two: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCFREE_PLUGINS", "first")
    work = two.work()
    with monkeypatch.context() as patch:
        patch.setattr(work.Sampler, "gather", theirs)
        syncfree.load("made_up")
        assert {entry.state for entry in syncfree.plan()} == {"bound", "refused"}
    syncfree.use(dp_all_reduce="first")
    assert {entry.state for entry in syncfree.plan()} == {"bound"}
    assert work.Sampler().gather(1)[0] == "first"


@pytest.mark.parametrize("imported", [True, False], ids=["bound", "waiting"])
@pytest.mark.parametrize("error", ["OSError('no such library')", "RuntimeError('no driver')", "SystemExit(1)"])
def test_an_implementation_that_raises_while_it_is_imported_cannot_be_switched_to(
    two: MadeUp, error: str, imported: bool
) -> None:
    (two.folder / "raising_implementation.py").write_text(f"raise {error}\n")
    if imported:
        two.work()
    syncfree.load("made_up")
    before = [(entry.choice, entry.state) for entry in syncfree.plan()]
    for _ in range(2):
        with pytest.raises(SelectionError, match="raising_implementation:dp_all_reduce"):
            syncfree.use(dp_all_reduce="raising")
        assert [(entry.choice, entry.state) for entry in syncfree.plan()] == before


def test_a_block_inside_which_a_setter_chose_leaves_the_setters_choice(two: MadeUp) -> None:
    work = two.work()
    syncfree.load("made_up")
    with syncfree.use(dp_all_reduce="second"):
        syncfree.use(dp_all_reduce="upstream")
    assert work.reduce(*CALL)[0] == "upstream"


def test_setters_do_not_pile_up(two: MadeUp) -> None:
    two.work()
    syncfree.load("made_up")
    for choice in ("first", "second", "upstream") * 50:
        syncfree.use(dp_all_reduce=choice)
    assert len(two.runtime._bindings.layers) <= 2


def test_the_end_of_a_block_after_restore_leaves_the_originals(two: MadeUp) -> None:
    work = two.work()
    original = work.reduce
    syncfree.load("made_up")
    with syncfree.use(dp_all_reduce="second"):
        syncfree.restore()
    assert work.reduce is original


def test_use_after_restore_binds_nothing_until_the_framework_is_loaded_again(
    two: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = two.work()
    original = work.reduce
    with syncfree.use(dp_all_reduce="upstream"):
        syncfree.load("made_up")
        syncfree.restore()
        syncfree.use(dp_all_reduce="second")
        assert work.reduce is original
        syncfree.load("made_up")
        assert work.reduce(*CALL)[0] == "second"


def test_a_slot_that_a_patch_hid_from_restore_is_taken_out_by_the_next_one(two: MadeUp) -> None:
    work = two.work()
    original = work.reduce
    syncfree.load("made_up")
    bound = work.reduce
    work.reduce = theirs  # type: ignore[attr-defined]
    assert len(syncfree.restore()) == 1
    work.reduce = bound  # type: ignore[attr-defined]
    assert syncfree.restore() == ()
    assert work.reduce is original
