"""``syncfree record``: real calls of a program in files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from syncfree.recording._files import read_calls
from syncfree.testing import check_implementation

from .support.commands import syncfree

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "tests.contract.support.made_up_program")


def record(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from syncfree.cli import main; main()", "record", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SYNCFREE")}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT)


def test_the_calls_of_a_program_are_kept_and_replayed(tmp_path: Path) -> None:
    out = tmp_path / "calls"
    done = record(
        "pooled_rows", "--calls", "7", "--out", str(out), "--", *PROGRAM, str(tmp_path), SYNCFREE_POOLED_ROWS="mine"
    )
    assert done.returncode == 0, done.stderr
    assert "syncfree record: 7 calls of pooled_rows in" in done.stdout
    calls = read_calls(str(out))
    assert [call.arguments("cpu")["rows"] for call in calls] == [[3, number % 3] for number in range(7)]
    assert calls[0].tree["about"]["choice"] == "mine"
    check_implementation("pooled_rows", "sync_free", replay=out)


def test_a_program_whose_hook_is_not_called_says_what_to_choose(tmp_path: Path) -> None:
    done = record("pooled_rows", "--out", str(tmp_path / "calls"), "--", *PROGRAM, str(tmp_path))
    assert done.returncode == 1
    assert "no implementation of pooled_rows was called: set SYNCFREE_POOLED_ROWS" in done.stderr


def test_the_exit_status_is_that_of_the_program(tmp_path: Path) -> None:
    done = record("pooled_rows", "--out", str(tmp_path / "calls"), "--", sys.executable, "-c", "raise SystemExit(7)")
    assert done.returncode == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pooled_row", "--out", "x", "--", "true"], "unknown hook 'pooled_row'; did you mean 'pooled_rows'"),
        (["dp_all_reduce", "--out", "x", "--", "true"], "dp_all_reduce cannot be recorded: its arguments contain a process group"),
        (["pooled_rows", "--out", "/dev/null/x", "--", "true"], "--out /dev/null/x cannot be made"),
        (["pooled_rows", "--out", "{tmp}", "--", "no-such-program"], "no-such-program cannot be started"),
    ],
)
def test_a_mistake_ends_it_with_2_before_anything_runs(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = syncfree("record", *(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert done.status == 2
    assert message in done.output
