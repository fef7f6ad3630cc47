"""The kept results of calibrations, one file for each back end and release of torch, beside the rule table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from packaging.version import Version

from ._calibration_cases import CASES, Case

BACKENDS = ("cuda", "dry-run", "simulated")
DATA = Path(__file__).with_name("data")


def release(result: dict[str, Any]) -> str:
    """Return the release of torch that a result was measured with, without the name of its build: ``2.13.0``."""
    return Version(result["torch"]).public


def keep(result: dict[str, Any], folder: Path = DATA) -> Path:
    """Write a result into a folder, by default the package's own; return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"calibration-{result['backend']}-{release(result)}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path


def kept(backend: str, folder: Path = DATA) -> list[dict[str, Any]]:
    """Return the kept results of a back end, the oldest release of torch first."""
    results: list[dict[str, Any]] = [json.loads(path.read_text()) for path in folder.glob(f"calibration-{backend}-*.json")]
    return sorted(results, key=lambda result: Version(result["torch"]))


def others(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the kept results of the other back ends for the same release of torch."""
    names = [name for name in BACKENDS if name != result["backend"]]
    return [other for name in names for other in kept(name) if release(other) == release(result)]


def differences(result: dict[str, Any], compared: list[dict[str, Any]]) -> list[str]:
    """Return the differences of a result from the rule table and from other results; one sentence each."""
    found: list[str] = []
    for case in CASES:
        found += _from_the_table(case, result)
        count = result["counts"].get(case.code)
        for other in compared:
            if other["counts"].get(case.code) != count:
                found.append(
                    f"{case.code}: {count} on {result['backend']}, {other['counts'].get(case.code)} on {other['backend']}"
                )
    return found


def confirmed(rule: str, backend: str) -> str:
    """Return in which releases of torch a back end confirmed a row of the rule table, and in which it did not."""
    cases = [case for case in CASES if case.rule == rule]
    yes: list[str] = []
    no: list[str] = []
    for result in kept(backend):
        wrong = [case.code for case in cases if _from_the_table(case, result)]
        if wrong:
            no.append(f"**not** {release(result)}: `{'`, `'.join(wrong)}`")
        else:
            yes.append(release(result))
    return "; ".join([", ".join(yes), *no] if yes else no) or "not yet"


def _from_the_table(case: Case, result: dict[str, Any]) -> list[str]:
    """The differences of a result from the rule table in one case."""
    backend, expected = result["backend"], case.expected(result["torch"])
    found = []
    if result["counts"].get(case.code) != expected:
        found.append(f"{case.code}: {result['counts'].get(case.code)} on {backend}, {expected} in the rule table")
    if "waits" in result and result["waits"].get(case.code) != (expected[0] > 0):
        waited = "waited" if result["waits"].get(case.code) else "did not wait"
        found.append(f"{case.code}: the host {waited} for a kernel that was still running, {expected} in the rule table")
    return found
