"""The plan's entry for a target after somebody patched over it, reloaded its module or threw it away."""

from __future__ import annotations

import functools
import importlib
import logging
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import wrapt

import syncfree

from .made_up import CALL, GATHER, REDUCE, MadeUp, Mine, both_binding, reduce_binding

HOOK = "dp_all_reduce"


@pytest.fixture
def bound(ready: MadeUp) -> Iterator[MadeUp]:
    """`reduce` and `Sampler.gather` are bound; what a test leaves patched ends with it."""
    ready.adapter(both_binding())
    ready.work()
    syncfree.load("made_up")
    assert entry().state == "bound"
    yield ready
    syncfree.restore()


def entry() -> syncfree.Entry:
    return syncfree.plan().entry(HOOK)


def over(function: Any) -> Any:
    @functools.wraps(function)
    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ["theirs", *function(*args, **kwargs)]

    return theirs


def around(function: Any) -> Any:
    return wrapt.FunctionWrapper(function, lambda wrapped, instance, args, kwargs: wrapped(*args, **kwargs))


@pytest.mark.parametrize("patch", [over, around, lambda function: print])
@pytest.mark.parametrize("owner", ["module", "class"])
def test_a_target_that_was_patched_over_is_no_longer_said_to_be_bound(
    bound: MadeUp, owner: str, patch: Callable[[Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    work: Any = bound.work()
    holder, name = (work, "reduce") if owner == "module" else (work.Sampler, "gather")
    before = syncfree.plan().manifest
    setattr(holder, name, theirs := patch(vars(holder)[name]))
    found = entry()
    assert (found.state, found.choice) == ("replaced", "mine")
    assert "was replaced by " in found.reason
    assert patch is not over or f"{__name__} ({__file__}:" in found.reason
    plan = syncfree.plan()
    assert f"no longer in place: {HOOK} (replaced)" in plan.summary()
    assert "bound" not in plan.summary()
    assert plan.manifest != before
    assert [record.levelno for record in caplog.records if found.reason in record.message] == [logging.WARNING]
    (left,) = syncfree.restore()
    assert left == found.reason
    assert vars(holder)[name] is theirs


def test_a_patch_that_is_taken_back_leaves_the_target_bound(bound: MadeUp) -> None:
    work: Any = bound.work()
    ours = work.reduce
    work.reduce = over(ours)
    assert entry().state == "replaced"
    work.reduce = ours
    assert entry().state == "bound"
    assert work.reduce(*CALL)[0] == "mine"


def test_every_replaced_target_of_a_binding_is_named(bound: MadeUp) -> None:
    work: Any = bound.work()
    work.reduce, work.Sampler.gather = over(work.reduce), over(work.Sampler.gather)
    assert REDUCE in entry().reason
    assert GATHER in entry().reason


@pytest.mark.parametrize("edited", [False, True])
def test_a_reloaded_module_is_told_and_can_be_bound_again(bound: MadeUp, edited: bool) -> None:
    work: Any = bound.work()
    old = work.Sampler
    if edited:
        file = bound.folder / "made_up" / "work.py"
        file.write_text(f"# moved\n\n{file.read_text()}")
    importlib.reload(work)
    assert work.reduce(*CALL)[0] == "upstream"
    found = entry()
    assert (found.state, found.choice) == ("reloaded", "upstream")
    assert "made_up.work was reloaded after syncfree bound made_up.work:reduce" in found.reason
    assert syncfree.restore() == ()
    assert old().gather("logits") == ("upstream", "logits", 1)
    syncfree.load("made_up")
    assert entry().state == "bound"
    assert work.reduce(*CALL)[0] == "mine"


def test_a_module_that_left_sys_modules_is_told_and_restored_all_the_same(bound: MadeUp) -> None:
    work: Any = bound.work()
    del sys.modules["made_up.work"]
    found = entry()
    assert (found.state, found.choice) == ("unloaded", "upstream")
    assert "made_up.work left sys.modules after syncfree bound" in found.reason
    assert syncfree.restore() == ()
    assert work.reduce(*CALL)[0] == "upstream"


def test_a_module_that_was_imported_again_is_reported_and_its_successor_can_be_bound(bound: MadeUp) -> None:
    del sys.modules["made_up.work"]
    work: Any = importlib.import_module("made_up.work")
    assert entry().state == "reloaded"
    assert "imported again" in entry().reason
    assert syncfree.restore() == ()
    syncfree.load("made_up")
    assert work.reduce(*CALL)[0] == "mine"


@pytest.mark.parametrize("other", [object(), types.ModuleType("made_up.work"), type("Lazy", (types.ModuleType,), {})("lazy")])
def test_another_object_in_the_place_of_the_module_is_told(bound: MadeUp, other: Any) -> None:
    work: Any = bound.work()
    sys.modules["made_up.work"] = other
    assert entry().state == "replaced"
    assert f"made_up.work was replaced by a {type(other).__module__}.{type(other).__qualname__}" in entry().reason
    assert syncfree.restore() == ()
    assert work.reduce(*CALL)[0] == "upstream"


def test_an_original_that_other_code_restored_counts_as_restored(bound: MadeUp) -> None:
    work: Any = bound.work()
    work.reduce = work.reduce.__wrapped__
    found = entry()
    assert (found.state, found.choice) == ("restored", "upstream")
    assert "other code restored the original" in found.reason
    assert syncfree.restore() == ()


def test_a_deleted_target_is_told(bound: MadeUp) -> None:
    work: Any = bound.work()
    del work.reduce
    assert entry().state == "replaced"
    assert "is not in the loaded module" in entry().reason
    assert len(syncfree.restore()) == 1


def test_code_that_somebody_exchanged_in_our_function_is_told(bound: MadeUp) -> None:
    work: Any = bound.work()
    free = dict.fromkeys(work.reduce.__code__.co_freevars)
    source = f"def make({', '.join(free)}):\n def theirs(*args):\n  return {', '.join(free)}\n return theirs\n"
    names: dict[str, Any] = {}
    exec(compile(source, "theirs.py", "exec"), names)
    work.reduce.__code__ = names["make"](**free).__code__
    assert entry().state == "replaced"
    assert "theirs.py" in entry().reason


def test_a_change_is_logged_once_however_often_the_plan_is_read(bound: MadeUp, caplog: pytest.LogCaptureFixture) -> None:
    work: Any = bound.work()
    work.reduce = over(work.reduce)
    for _ in range(5):
        syncfree.plan()
    assert len([record for record in caplog.records if "was replaced by" in record.message]) == 1


def test_reading_the_plan_of_what_is_in_place_reads_no_source(bound: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    (bound.folder / "made_up" / "work.py").unlink()
    monkeypatch.setattr("syncfree._displacement.Source", None)
    assert entry().state == "bound"


# A slot of ours that could not be taken out


def left_behind(made_up: MadeUp) -> Any:
    """Restore under somebody's patch, and take that patch out afterwards; return the module."""
    work: Any = made_up.work()
    ours = work.reduce
    work.reduce = over(ours)
    syncfree.restore()
    work.reduce = ours
    assert work.reduce(*CALL)[0] == "upstream"
    return work


def test_after_a_restore_under_somebodys_patch_the_target_can_be_bound_again(bound: MadeUp) -> None:
    original = bound.work().reduce.__wrapped__
    for _ in range(3):
        work = left_behind(bound)
        syncfree.load("made_up")
        assert entry().state == "bound", entry().reason
        assert work.reduce(*CALL) == ["mine", [1, 2], 0]
    assert syncfree.restore() == ()
    assert work.reduce is original


def test_the_same_for_a_method_whose_raw_attribute_comes_back_by_identity(made_up: MadeUp, bound: MadeUp) -> None:
    work: Any = bound.work()
    ours = vars(work.Sampler)["gather"]
    original = ours.__wrapped__
    work.Sampler.gather = over(ours)
    syncfree.restore()
    work.Sampler.gather = ours
    syncfree.load("made_up")
    assert entry().state == "bound"
    syncfree.restore()
    assert vars(work.Sampler)["gather"] is original


def test_copies_of_what_was_left_behind_are_bound_and_restored_too(bound: MadeUp) -> None:
    work = left_behind(bound)
    original = work.reduce.__wrapped__
    import made_up.copies as copies  # type: ignore[import-not-found]

    assert copies.reduce is work.reduce
    syncfree.load("made_up")
    assert copies.reduce is work.reduce
    assert copies.reduce(*CALL)[0] == "mine"
    syncfree.restore()
    assert copies.reduce is work.reduce is original


def test_a_patch_over_what_was_left_behind_is_still_a_patch(bound: MadeUp) -> None:
    work = left_behind(bound)
    work.reduce = over(work.reduce)
    syncfree.load("made_up")
    assert "was already replaced by" in entry().reason
    assert __name__ in entry().reason


def test_a_patch_over_a_live_slot_is_not_taken_for_the_slot_itself(bound: MadeUp) -> None:
    """functools.wraps copies the attribute by which a slot is found."""
    work: Any = bound.work()
    work.reduce = over(work.reduce)
    syncfree.restore()
    syncfree.load("made_up")
    assert "was already replaced by" in entry().reason
    assert "already bound by syncfree" not in entry().reason


def test_a_second_registry_does_not_bind_what_is_bound(bound: MadeUp) -> None:
    from syncfree._runtime import Runtime

    other = MadeUp(bound.folder, Runtime())
    other.adapter(reduce_binding())
    other.runtime.register(Mine(), "mine")
    other.runtime.load("made_up")
    found = other.runtime.plan().entry(HOOK)
    assert found.state == "refused"
    assert "made_up.work:reduce is already bound by syncfree" in found.reason
