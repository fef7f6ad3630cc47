"""Every public error names the page of the documentation about it."""

from __future__ import annotations

import importlib
import pickle
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from syncfree import SelectionError
from syncfree._errors import DocumentedError
from syncfree.audit import Report, SyncBudgetExceeded

ROOT = Path(__file__).parents[2]
HEAD = re.compile(r"^class (\w+)\((DocumentedError|SyncfreeError|SelectionError|BindingError|PluginError)\b", re.MULTILINE)
MESSAGE = "it went wrong; do this instead"


def classes() -> dict[str, type[DocumentedError]]:
    """Every class of error in our sources."""
    found = {}
    for file in sorted((ROOT / "registry").rglob("*.py")):
        for name, _ in HEAD.findall(file.read_text("utf-8")):
            module = ".".join(("syncfree", *file.relative_to(ROOT / "registry").with_suffix("").parts))
            found[name] = getattr(importlib.import_module(module), name)
    return found


CLASSES = classes()


def test_the_classes_that_are_derived_from_those_have_a_page_too() -> None:
    left: list[type[DocumentedError]] = [DocumentedError]
    while left:
        below = [one for one in left.pop().__subclasses__() if one.__module__.startswith("syncfree.")]
        assert [one for one in below if not (ROOT / one.page).is_file()] == []
        left += below


def made(kind: type[DocumentedError]) -> DocumentedError:
    """An error of a class, which takes a message; only the one over a budget takes a report and writes its own."""
    return SyncBudgetExceeded(Report(0, "simulated")) if kind is SyncBudgetExceeded else kind(MESSAGE)


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_its_page_exists_and_is_in_the_traceback_and_not_in_the_message(kind: type[DocumentedError]) -> None:
    assert "page" in vars(kind)
    assert (ROOT / kind.page).is_file()
    error = made(kind)
    assert str(error) == (error.report.over_budget_text() if isinstance(error, SyncBudgetExceeded) else MESSAGE)
    if sys.version_info >= (3, 11):
        assert traceback.format_exception_only(error)[-1] == f"See {kind.page}\n"


@pytest.mark.parametrize("name", ["SyncBudgetExceeded", "PinnedMemoryRace"])
def test_what_an_audit_finds_is_an_assertion_with_a_page(name: str) -> None:
    assert issubclass(CLASSES[name], AssertionError)


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_a_copy_in_another_process_has_the_same_message(kind: type[DocumentedError]) -> None:
    error = made(kind)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_copy_in_another_process_has_one_note() -> None:
    copy = pickle.loads(pickle.dumps(SelectionError("x")))
    assert copy.__notes__ == ["See docs/choosing.md"]


def test_the_command_line_prints_the_page() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from syncfree.cli import main; main()", "explain", "no_such_hook"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.endswith(" (see docs/choosing.md)\n")


def test_the_sentence_about_an_unknown_hook_is_written_once() -> None:
    """But for adapters, whose hook may be any object, which `repr` must not be called on."""
    sentence = re.compile(r'"[^"]*(?<!the )unknown hook \{')
    written = [file.name for file in (ROOT / "registry").rglob("*.py") if sentence.search(file.read_text("utf-8"))]
    assert sorted(written) == ["_adapter_checks.py", "_errors.py"]
