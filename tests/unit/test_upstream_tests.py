"""The record of a framework's own tests, and the page that is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docs import upstream_tests_page
from tests.dry_run_engines import suites


def lines(*tests: dict[str, Any]) -> str:
    return "".join(json.dumps(test) + "\n" for test in tests)


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Any]:
    """Two files of tests: with hooks off one test fails and one does not end, with hooks on two wait less."""
    off, on = tmp_path / "off", tmp_path / "on"
    off.write_text(
        lines(
            {"test": "a.py::one", "outcome": "not ended"},
            {"test": "a.py::one", "outcome": "passed", "waits": 5, "unreal": ["op: no cpu_body"]},
            {"test": "a.py::two", "outcome": "failed", "why": "No module named 'x'", "waits": 2, "unreal": ["op: no cpu_body"]},
            {"test": "b.py::C::three[x::y]", "outcome": "not ended"},
        )
    )
    on.write_text(
        lines(
            {"test": "a.py::one", "outcome": "passed", "waits": 0, "calls": {"hook": 3}},
            {"test": "a.py::two", "outcome": "failed", "why": "No module named 'x'", "waits": 1, "calls": {"hook": 4}},
        )
    )
    return suites.by_file(suites.read(off), suites.read(on))


def test_the_last_line_of_a_test_says_how_it_ended(parts: dict[str, Any]) -> None:
    assert parts["a.py"]["off"] == {"passed": 1, "skipped": 0, "failed": 1, "not ended": 0, "waits": 7}
    assert parts["b.py"]["off"]["not ended"] == 1


def test_failures_and_waits_are_kept_by_test_with_hooks_off_and_on(parts: dict[str, Any]) -> None:
    assert parts["a.py"]["waits"] == {"one": [5, 0], "two": [2, 1]}
    assert parts["a.py"]["failures"] == {"two": dict.fromkeys(("off", "on"), "No module named 'x'")}
    assert parts["b.py"]["failures"] == {"C::three[x::y]": {"off": "not ended", "on": "not run"}}
    assert parts["a.py"]["calls"] == {"hook": 7}
    assert parts["a.py"]["unreal"] == {"op: no cpu_body": 2}


def test_a_run_of_some_files_leaves_the_others_in_the_record(parts: dict[str, Any], tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    suites.write("made_up", "1.0", {"b.py": parts["b.py"]}, results)
    suites.write("made_up", "1.0", {"a.py": parts["a.py"]}, results)
    (record,) = suites.load(results)
    assert record["files"] == parts


def test_every_recorded_failure_has_a_cause_in_words() -> None:
    whys = [
        (file, test, why["off"] or why["on"])
        for record in suites.load()
        for file, part in record["files"].items()
        for test, why in part["failures"].items()
    ]
    assert [one for one in whys if upstream_tests_page.cause(one[0], one[2]).startswith("not explained")] == []


def test_hooks_break_no_test_of_a_framework() -> None:
    """What fails with our hooks fails without them, where it was not stopped; many tests passed, and hooks were called."""
    assert suites.load()
    for record in suites.load():
        parts = record["files"].values()
        failures = [(test, why) for part in parts for test, why in part["failures"].items()]
        assert [test for test, why in failures if why["off"] is None and not why["on"].startswith("Failed: stopped after")] == []
        assert sum(part["on"]["passed"] for part in parts) > 100
        assert sum(sum(part["calls"].values()) for part in parts) > 0
