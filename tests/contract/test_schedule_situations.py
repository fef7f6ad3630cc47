"""Image to image, reuse, copies, writes, inference mode, errors: what users do with schedules gives what upstream gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT_A_SYNC = (
    "second_half",
    "begin_index",
    "second_half_in_half_precision",
    "two_schedules",
    "made_again_from_its_configuration",
    "inference_mode",
    "ends_in_an_error",
)


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, dict[str, Any]]]:
    command = [sys.executable, "-m", "tests.contract.support.schedule_situations", "0.42.1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_every_situation_ends_as_with_upstream(found: dict[str, dict[str, dict[str, Any]]]) -> None:
    assert len(found) == 13
    different = [(situation, name) for situation, by in found.items() for name, one in by.items() if not one["equal"]]
    assert different == []
    assert all(len(by) == 9 for by in found.values())


@pytest.mark.parametrize("situation", WITHOUT_A_SYNC)
def test_schedulers_do_not_wait(found: dict[str, dict[str, dict[str, Any]]], situation: str) -> None:
    assert {name: one["ours"] for name, one in found[situation].items() if one["ours"]} == {}
    assert all(one["upstream"] for one in found[situation].values())


def test_schedule_that_was_written_to_is_asked_on_the_device_again(found: dict[str, dict[str, dict[str, Any]]]) -> None:
    for situation in ("written_to", "written_to_in_inference_mode"):
        assert all(0 < one["ours"] < one["upstream"] for one in found[situation].values())
