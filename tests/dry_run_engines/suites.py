"""The record of a framework's own tests in the dry run: one JSON file for each release, which a section of docs/dry-run.md is made of.

::

    framework, release   "diffusers", "0.37.0"
    files                by file of tests:
        off, on          with SYNCFREE=off, and with the default choices: passed, skipped, failed, not ended (numbers of tests), waits
        calls            of implementations other than upstream's, by hook, with hooks on
        waits            by test that waits: [with hooks off, with hooks on]
        failures         by test that failed or did not end: {off: why, on: why}
        unreal           operators that had no values: how many tests used each
        date             of the run
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "suites"
HOOKS = ("off", "on")
NOT_ENDED = "not ended"
OUTCOMES = ("passed", "skipped", "failed", NOT_ENDED)
Tests = Mapping[str, Mapping[str, Any]]
"""By test what `waits_of_tests` writes."""


def read(result: Path) -> dict[str, dict[str, Any]]:
    """Return by test what a process wrote; of the lines of a test, the last one that knows its end, as after a failed teardown."""
    found: dict[str, dict[str, Any]] = {}
    for line in result.read_text().splitlines() if result.exists() else ():
        one = json.loads(line)
        found[one.pop("test")] = one
    return found


def by_file(off: Tests, on: Tests) -> dict[str, dict[str, Any]]:
    """Return the record of each file, from what the runs without hooks and with them found."""
    files = sorted({test.partition("::")[0] for tests in (off, on) for test in tests})
    return {file: _file(*({t: one for t, one in tests.items() if t.partition("::")[0] == file} for tests in (off, on))) for file in files}


def _file(off: Tests, on: Tests) -> dict[str, Any]:
    names = sorted({*off, *on})
    pairs = {name.partition("::")[2] or name: (off.get(name, {}), on.get(name, {})) for name in names}
    waits = {name: [one.get("waits", 0) for one in pair] for name, pair in pairs.items()}
    whys = {name: dict(zip(HOOKS, map(_why, pair), strict=True)) for name, pair in pairs.items()}
    calls: Counter[str] = Counter()
    for one in on.values():
        calls.update(one.get("calls", {}))
    return {
        "off": _numbers(off),
        "on": _numbers(on),
        "calls": dict(sorted(calls.items())),
        "waits": {name: numbers for name, numbers in waits.items() if any(numbers)},
        "failures": {name: why for name, why in whys.items() if any(why.values())},
        "unreal": dict(sorted(Counter(what for one in off.values() for what in one.get("unreal", ())).items())),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


def _numbers(tests: Tests) -> dict[str, int]:
    outcomes = Counter(one["outcome"] for one in tests.values())
    return {**{outcome: outcomes[outcome] for outcome in OUTCOMES}, "waits": sum(one.get("waits", 0) for one in tests.values())}


def _why(test: Mapping[str, Any]) -> str | None:
    outcome = test.get("outcome", "not run")
    return None if outcome in ("passed", "skipped") else str(test.get("why", outcome))


def lines(file: str, part: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines for people about one file."""
    for hooks in HOOKS:
        numbers = ", ".join(f"{number} {what}" for what, number in part[hooks].items() if number)
        yield f"{file}, hooks {hooks}: {numbers or 'no test'}"
    for test, why in part["failures"].items():
        yield f"  {test}: " + (why["off"] if why["off"] == why["on"] else f"off: {why['off']}; on: {why['on']}")
    for what, tests in part["unreal"].items():
        yield f"  not computed in {tests} tests: {what}"


def write(framework: str, version: str, files: Mapping[str, Any], results: Path = RESULTS) -> Path:
    """Put files of tests into the record of their release; return the record's file."""
    path = results / f"{framework}-{version}.json"
    found = json.loads(path.read_text("utf-8")) if path.exists() else {"framework": framework, "release": version, "files": {}}
    found["files"] = dict(sorted({**found["files"], **files}.items()))
    path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return path


def load(results: Path = RESULTS) -> list[dict[str, Any]]:
    """Return all records."""
    return [json.loads(path.read_text("utf-8")) for path in sorted(results.glob("*.json"))]
