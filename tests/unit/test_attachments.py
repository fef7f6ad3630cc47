"""Attachments of an adapter beside or around functions that are no targets: attached after import, and taken out again."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

import syncfree
from syncfree.adapting import Attachment
from syncfree.ranks import compare_plans_after, gather_plans

from .made_up import REDUCE, SLOW, MadeUp, reduce_binding

START = "made_up.work:Worker.start"
SOURCE = f"""{SLOW}

class Worker:
    def start(self, device, *, seed=0):
        return ("started", device, seed)
"""


def shout(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, device: ("shouted", original(self, device))


def told(self: Any) -> str:
    return "told"


AROUND = Attachment(START, shout, "shouting")
BESIDE = Attachment("made_up.work:Worker.syncfree_told", lambda _: told, "telling", adds=True)


def load(made_up: MadeUp, *attachments: Attachment, imported_first: bool = False) -> Any:
    """Load the made-up framework with these attachments; return its worker class."""
    made_up.release("1.0", SOURCE)
    made_up.record(REDUCE)
    made_up.install("1.0")
    made_up.adapter(reduce_binding(), attachments=attachments)
    if imported_first:
        made_up.work()
    syncfree.load("made_up")
    assert made_up.imported is imported_first
    return made_up.work().Worker


@pytest.mark.parametrize("imported_first", [False, True])
def test_is_in_place_once_the_module_is_imported_and_restored_by_identity(made_up: MadeUp, imported_first: bool) -> None:
    worker = load(made_up, AROUND, BESIDE, imported_first=imported_first)
    assert worker().start("cpu") == ("shouted", ("started", "cpu", 0))
    assert worker().syncfree_told() == "told"
    assert syncfree.restore() == ()
    assert worker().start("cpu") == ("started", "cpu", 0)
    assert not hasattr(worker, "syncfree_told")


@pytest.mark.parametrize(
    ("attachment", "why"),
    [
        (Attachment("made_up.work:Worker.stop", shout, "shouting"), "Worker.stop does not exist, so shouting is missing"),
        (Attachment("made_up.work:Boss.start", shout, "shouting"), "which has no class Boss, so shouting is missing"),
        (Attachment(START, lambda _: told, "telling", adds=True), "Worker.start exists already, so telling is missing"),
        (Attachment(START, lambda _: sys.exit(3), "shouting"), "the adapter failed, so shouting is missing: SystemExit: 3"),
    ],
)
def test_what_does_not_fit_is_a_warning_and_the_import_goes_on(
    made_up: MadeUp, attachment: Attachment, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = load(made_up, attachment)
    assert worker().start("cpu") == ("started", "cpu", 0)
    (record,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert why in record.message


def test_a_place_that_somebody_replaced_since_is_left_alone_and_told(made_up: MadeUp, runtime: Any) -> None:
    worker = load(made_up, AROUND)
    worker.start = told
    (left,) = syncfree.restore()
    assert left.startswith(f"{START} was replaced by {__name__} ({__file__}:")
    assert left.endswith(" after syncfree attached to it")
    assert worker().start() == "told"


def test_an_attachment_under_somebodys_patch_is_inactive_after_a_restore(made_up: MadeUp) -> None:
    worker = load(made_up, AROUND)
    attached = worker.start
    worker.start = lambda self, *args: ["patched", attached(self, *args)]
    before = worker().start("cpu")
    assert len(syncfree.restore()) == 1
    assert worker().start("cpu") == ["patched", ("started", "cpu", 0)] != before


@pytest.mark.parametrize(("attachment", "name"), [(AROUND, "start"), (BESIDE, "syncfree_told")])
def test_what_was_left_behind_under_a_patch_is_not_attached_to_a_second_time(
    made_up: MadeUp, attachment: Attachment, name: str
) -> None:
    worker = load(made_up, attachment)
    called = getattr(worker(), name)
    expected = called("cpu") if name == "start" else called()
    ours = vars(worker)[name]
    for _ in range(2):
        setattr(worker, name, lambda self: "theirs")
        assert len(syncfree.restore()) == 1
        setattr(worker, name, ours)
        syncfree.load("made_up")
        ours = vars(worker)[name]
        assert getattr(worker(), name)(*(("cpu",) if name == "start" else ())) == expected
    assert syncfree.restore() == ()
    assert hasattr(worker, name) is (name == "start")


def test_an_attribute_that_is_none_is_not_taken_for_none_at_all(made_up: MadeUp, caplog: pytest.LogCaptureFixture) -> None:
    """`adds` needs a free name; restoring one that held None must not delete it."""
    made_up.release("1.0", f"{SOURCE}    taken = None\n")
    made_up.record(REDUCE)
    made_up.install("1.0")
    made_up.adapter(
        reduce_binding(), attachments=(Attachment("made_up.work:Worker.taken", lambda _: told, "it", adds=True),)
    )
    worker = made_up.work().Worker
    syncfree.load("made_up")
    assert "Worker.taken exists already" in caplog.text
    syncfree.restore()
    assert vars(worker)["taken"] is None


def test_switched_off_nothing_is_attached(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCFREE", "off")
    worker = load(made_up, AROUND, BESIDE)
    assert worker().start("cpu") == ("started", "cpu", 0)
    assert not hasattr(worker, "syncfree_told")


def test_a_process_without_a_group_compares_with_nobody_and_tells_its_own_plan(made_up: MadeUp) -> None:
    worker = load(made_up, compare_plans_after(START, "made_up"))
    assert worker().start("cpu", seed=3) == ("started", "cpu", 3)
    (answer,) = gather_plans("how are you")
    assert (answer["pid"], answer["rank"], answer["question"]) == (os.getpid(), None, "how are you")
    assert answer["manifest"] == syncfree.plan().manifest
