"""The log says when the last binding that waited for an import is made, and at the end of a process which never were."""

from __future__ import annotations

import importlib
import logging

import pytest

import syncfree
from syncfree._runtime import Runtime
from syncfree.adapting import Binding, Form

from .made_up import REDUCE, MadeUp, compose_reduce, reduce_binding
from .test_exit_report import run


@pytest.fixture
def ready(ready: MadeUp, caplog: pytest.LogCaptureFixture) -> MadeUp:
    """The framework that is ready to be loaded, with its log."""
    caplog.set_level(logging.INFO)
    return ready


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
