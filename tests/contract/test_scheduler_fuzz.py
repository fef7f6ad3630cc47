"""Every scheduler that the diffusers adapter binds, in situations drawn from a seed: upstream's results bit for bit, or its errors.

After each action what a user can see is compared: what was returned or raised, every attribute of the scheduler, the state of the
random numbers. With ``--sweep`` ten times as many situations are run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COUNTS = {"0.35.0": 12, "0.37.0": 12, "0.42.1": 42}
"""Situations of each class, by release; three times as many of the classes with tables."""
SITUATIONS = 5040
CLASSES = {"0.35.0": 33, "0.37.0": 36, "0.42.1": 38}

Found = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def releases(pytestconfig: pytest.Config) -> dict[str, Found]:
    times = 10 if pytestconfig.getoption("--sweep") else 1
    return {release: run(release, count * times) for release, count in COUNTS.items()}


def run(release: str, count: int) -> Found:
    command = [sys.executable, "-m", "tests.contract.fuzz", release, str(count)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=9000)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def total(releases: dict[str, Found], what: str) -> int:
    return sum(one[what] for found in releases.values() for one in found.values())


def test_every_situation_ends_as_with_upstream(releases: dict[str, Found]) -> None:
    different = [line for found in releases.values() for one in found.values() for line in one["different"]]
    assert different == []


def test_so_many_situations_were_run(
    releases: dict[str, Found], pytestconfig: pytest.Config, record_property: pytest.RecordProperty
) -> None:
    figures = {what: total(releases, what) for what in ("situations", "raised", "declined", "returned", "errors", "calls")}
    record_property("scheduler situations", figures)
    print(figures)
    assert {release: len(found) for release, found in releases.items()} == CLASSES
    assert figures["situations"] == SITUATIONS * (10 if pytestconfig.getoption("--sweep") else 1) >= 2500
    assert figures["returned"] > 10 * figures["situations"]
    assert 0.3 < figures["raised"] / figures["situations"] < 0.7


def test_our_code_ran_in_each_of_them(releases: dict[str, Found]) -> None:
    for found in releases.values():
        assert [name for name, one in found.items() if one["calls"] < 2 * one["situations"]] == []
        assert [name for name, one in found.items() if one["declines"] > 0.4 * one["calls"]] == []
    assert total(releases, "declined") > 0
