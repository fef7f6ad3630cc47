"""A switch is made as a whole or not at all, whoever else is patching, importing or switching."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import pytest

import syncfree
from syncfree import SelectionError, _patch, hookimpl
from syncfree._discovery import discover
from syncfree.adapting import Binding, Form

from . import spawned
from .made_up import GATHER, REDUCE, SLOW, MadeUp, compose_gather, compose_reduce, reduce_binding
from .spawned import CALL

REPLACED = "was already replaced by"


def gather_binding() -> Binding:
    """A second binding of the same hook, in another place."""
    return Binding("dp_all_reduce", (GATHER,), (Form(">=1.0,<2", "stalls", "it stalls", (compose_gather,)),))


def theirs(*arguments: Any, **options: Any) -> str:
    """Somebody's patch."""
    return "theirs"


class Raising:
    """A plugin whose implementation raises while it is imported."""

    @hookimpl(exact=True, implementation="raising_implementation:dp_all_reduce")
    def dp_all_reduce(self, local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        """Only declares."""


@pytest.fixture
def two(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """Two bindings of one hook, two plugins; by default upstream's code runs in both places."""
    spawned.register()
    monkeypatch.setenv("SYNCFREE_PLUGINS", "first,second,raising")
    syncfree.register(Raising(), "raising")
    made_up.release("1.0")
    made_up.record(REDUCE, GATHER)
    made_up.install("1.0")
    made_up.adapter(reduce_binding(), gather_binding())
    return made_up


def state_of(made_up: MadeUp) -> tuple[Any, ...]:
    """Everything that a switch may change."""
    work = made_up.work()
    plan = syncfree.plan()
    return (
        dict(vars(work)),
        dict(vars(work.Sampler)),
        [(entry.targets, entry.choice, entry.source, entry.state) for entry in plan],
        work.reduce(*CALL)[0],
    )


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


def test_blocks_that_overlap_in_two_threads_take_out_their_own_choice_only(two: MadeUp) -> None:
    work = two.work()
    syncfree.load("made_up")
    syncfree.use(dp_all_reduce="upstream")
    began, ended = threading.Event(), threading.Event()

    def overlap() -> None:
        with syncfree.use(dp_all_reduce="second"):
            began.set()
            assert ended.wait(60)

    thread = threading.Thread(target=overlap)
    with syncfree.use(dp_all_reduce="first"):
        thread.start()
        assert began.wait(60)
        assert work.reduce(*CALL)[0] == "second"
    assert work.reduce(*CALL)[0] == "second"
    ended.set()
    thread.join()
    assert work.reduce(*CALL)[0] == "upstream"


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


def test_a_switch_from_a_signal_handler_that_interrupts_a_switch_changes_nothing_and_says_so(two: MadeUp) -> None:
    work = two.work()
    syncfree.load("made_up")
    answers: list[str] = []

    def handler(number: int, frame: Any) -> None:
        assert syncfree.plan().loaded == ("made_up",)
        with pytest.raises(SelectionError) as refused:
            syncfree.use(dp_all_reduce="second")
        answers.append(str(refused.value))

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with two.runtime._locks.changing():
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert "interrupts a change that the same thread is making" in answers[0]
    assert work.reduce(*CALL)[0] == "first"
    syncfree.use(dp_all_reduce="second")
    assert work.reduce(*CALL)[0] == "second"


def test_a_plan_is_told_while_another_thread_waits_for_other_ranks(two: MadeUp) -> None:
    two.work()
    syncfree.load("made_up")
    waiting, answered = threading.Event(), threading.Event()

    def agree() -> None:
        with two.runtime._locks.changing():
            waiting.set()
            assert answered.wait(60)

    thread = threading.Thread(target=agree)
    thread.start()
    assert waiting.wait(60)
    try:
        assert {entry.state for entry in syncfree.plan()} == {"bound"}
        assert set(syncfree.counters()["dp_all_reduce"]) == {REDUCE, GATHER}
    finally:
        answered.set()
        thread.join()


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


def test_a_stand_in_for_a_target_module_is_not_the_module(two: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "made_up.work", type(sys)("made_up.work"))
        syncfree.load("made_up")
        assert {entry.state for entry in syncfree.plan()} == {"waiting"}
    assert two.work().reduce(*CALL)[0] == "first"
    assert {entry.state for entry in syncfree.plan()} == {"bound"}


def test_what_is_asked_in_the_middle_of_discovering_plugins_does_not_stand_for_what_was_discovered(
    made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin or a finder may ask for the plan then, while other plugins are only half imported."""
    answers: list[int] = []

    def asking(environ: Any, registered: Any) -> Any:
        if answers:
            return discover(environ, ())  # half of it
        answers.append(0)
        answers.append(len(syncfree.plan().entries))
        return discover(environ, registered)

    monkeypatch.setattr("syncfree._catalogue.discover", asking)
    spawned.register()
    assert "first" in made_up.runtime.plugins().implementations["dp_all_reduce"]
    assert answers == [0, 0]


def test_a_finalizer_that_switches_while_its_thread_prepares_a_switch_cannot_keep_it_from_ending(two: MadeUp) -> None:
    work = two.work()
    syncfree.load("made_up")
    refused: list[str] = []

    class Switching:
        """What a callback of the garbage collector does in the middle of a preparation."""

        @hookimpl(exact=True, implementation="switching_implementation:dp_all_reduce")
        def dp_all_reduce(self, local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
            """Only declares."""

    (two.folder / "switching_implementation.py").write_text(
        "import syncfree\n"
        "try:\n    syncfree.use(dp_all_reduce='second')\n"
        "except syncfree.SelectionError as error:\n    refused = str(error)\n"
        "def dp_all_reduce(local, rank, size, group, device):\n    return ['switching']\n"
    )
    syncfree.restore()
    two.runtime.forget_selection()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNCFREE_PLUGINS", "first,second,raising,switching")
        syncfree.register(Switching(), "switching")
        syncfree.load("made_up")
        syncfree.use(dp_all_reduce="switching")
    refused.append(sys.modules["switching_implementation"].refused)
    assert "while the same thread prepares a change" in refused[0]
    assert work.reduce(*CALL) == ["switching"]


def test_a_load_ends_while_another_thread_switches_all_the_time(two: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each switch has the load prepared again; after some rounds the switches wait for it."""
    two.work()
    stop, switched = threading.Event(), threading.Event()

    def switching() -> None:
        while not stop.is_set():
            syncfree.use(dp_all_reduce="second")
            switched.set()

    make_patches = _patch.make_patches

    def slow(*arguments: Any) -> Any:
        switched.clear()
        switched.wait(0.5)  # another switch comes first, unless it waits for this load
        return make_patches(*arguments)

    monkeypatch.setattr(_patch, "make_patches", slow)
    thread = threading.Thread(target=switching)
    thread.start()
    try:
        syncfree.load("made_up")
    finally:
        stop.set()
        thread.join()
    assert syncfree.plan().loaded == ("made_up",)
