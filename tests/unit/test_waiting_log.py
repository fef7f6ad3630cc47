"""The log says when the last binding that waited for an import is made, and at the end of a process which never were."""

from __future__ import annotations

import importlib
import logging
from typing import Any

import pytest

import syncfree
from syncfree import hookimpl
from syncfree._runtime import Runtime
from syncfree.adapting import Binding, Form

from .made_up import GATHER, REDUCE, MadeUp, compose_reduce, reduce_binding
from .test_exit_report import run


class Mine:
    @staticmethod
    @hookimpl(exact=True)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return ["mine", local, rank]


@pytest.fixture
def ready(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> MadeUp:
    syncfree.register(Mine(), "mine")
    monkeypatch.setenv("SYNCFREE_PLUGINS", "mine")
    made_up.release("1.0")
    made_up.record(REDUCE, GATHER)
    made_up.install("1.0")
    caplog.set_level(logging.INFO)
    return made_up


def waiting_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "waited for an import" in record.getMessage()]


def test_one_line_when_the_last_binding_is_made(ready: MadeUp, caplog: pytest.LogCaptureFixture) -> None:
    ready.adapter(reduce_binding())
    syncfree.load("made_up")
    assert waiting_lines(caplog) == []
    ready.work()
    assert waiting_lines(caplog) == ["syncfree: 1 bindings waited for an import: all are bound"]
    syncfree.plan()
    assert len(waiting_lines(caplog)) == 1


def test_no_line_while_another_waits(ready: MadeUp, caplog: pytest.LogCaptureFixture) -> None:
    other = REDUCE.replace("work", "other")
    (ready.folder / "made_up" / "other.py").write_text((ready.folder / "made_up" / "work.py").read_text())
    ready.record(REDUCE, other)
    form = Form(">=1.0,<2", "stalls", "it stalls", (compose_reduce,))
    ready.adapter(reduce_binding(), Binding("dp_all_reduce", (other,), (form,)))
    syncfree.load("made_up")
    ready.work()
    assert waiting_lines(caplog) == []
    importlib.import_module("made_up.other")
    assert waiting_lines(caplog) == ["syncfree: 2 bindings waited for an import: all are bound"]


def test_no_line_where_nothing_waited(ready: MadeUp, caplog: pytest.LogCaptureFixture) -> None:
    ready.adapter(reduce_binding())
    ready.work()
    syncfree.load("made_up")
    assert waiting_lines(caplog) == []


def test_no_line_after_everything_was_restored(ready: MadeUp, runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    ready.adapter(reduce_binding())
    syncfree.load("made_up")
    runtime.restore()
    ready.work()
    assert waiting_lines(caplog) == []


LOGGING = "import logging; logging.basicConfig(level='INFO'); "
NEVER = "INFO:syncfree:syncfree: never bound, because their modules were not imported: dp_all_reduce\n"


@pytest.mark.parametrize(("body", "shown"), [("pass", True), ("import made_up.work", False)])
def test_the_end_of_a_process_names_what_was_never_bound(made_up: MadeUp, body: str, shown: bool) -> None:
    assert (NEVER in run(made_up, LOGGING + body)) is shown


def test_without_info_the_end_of_a_process_is_silent(made_up: MadeUp) -> None:
    assert run(made_up, "pass") == ""


def test_a_log_that_is_closed_at_the_end_is_no_error(made_up: MadeUp) -> None:
    handler = "import io; closed = io.StringIO(); logging.getLogger().handlers[0].stream = closed; closed.close()"
    assert "Traceback" not in run(made_up, LOGGING + handler)
