"""``syncfree ab --replay``: recorded calls measured again. What is asserted is what is said, never how long it took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from syncfree.hooks import HOOKS
from syncfree.measuring._comparison import read_comparison
from syncfree.recording._files import write_call

from .support.commands import syncfree

QUICK = ("--rounds", "8", "--equal-rounds", "2", "--block-ms", "0.1", "--budget", "60")


def first_row(pooled: Any, rows: Any) -> Any:
    """A wrong implementation, for the commands below."""
    return pooled[:1]


def declining(pooled: Any, rows: Any) -> Any:
    return NotImplemented


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    for number in range(3):
        write_call(str(folder), HOOKS["pooled_rows"], {"pooled": torch.randn(8, 4), "rows": [number, 7]}, {})
    return folder


def test_a_comparison_says_what_it_found_and_writes_it(calls: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    done = syncfree("ab", "pooled_rows", "reference", "sync_free", "--replay", str(calls), *QUICK, "--json", str(file))
    assert done.status in (0, 1), done.output  # 1: this busy machine drifted
    assert "host time per call: " in done.output
    assert "2 rounds of A against A, 8 of A against B; all rounds are made" in done.output
    assert "It does not show the throughput of a server" in done.output
    found = read_comparison(file)
    assert (found.hook, found.a, found.b, found.differences) == ("pooled_rows", "reference", "sync_free", ())
    assert found.source["calls"] == 3
    assert set(found.parts[0].rounds[0].a[0]) == {"control", "host", "cpu"}
    assert json.loads(file.read_text())["versions"]["torch"] == torch.__version__


def test_the_verdict_is_printed_even_where_the_file_cannot_be_written(calls: Path) -> None:
    done = syncfree("ab", "pooled_rows", "reference", "sync_free", "--replay", str(calls), *QUICK, "--json", "/dev/full")
    assert done.status == 2
    assert "host time per call: " in done.output
    assert "--json /dev/full cannot be written: No space left on device" in done.output


def test_different_results_are_told_and_end_it_with_1(calls: Path) -> None:
    wrong = "tests.contract.test_ab_replay:first_row"
    done = syncfree("ab", "pooled_rows", "reference", wrong, "--replay", str(calls), *QUICK)
    assert done.status == 1
    assert "results differ: pooled_rows-" in done.output


def test_a_declined_call_is_told(calls: Path) -> None:
    done = syncfree("ab", "pooled_rows", "reference", "tests.contract.test_ab_replay:declining", "--replay", str(calls), *QUICK)
    assert done.status == 1
    assert "tests.contract.test_ab_replay:declining declines pooled_rows-" in done.output


def test_a_hook_that_writes_is_measured_on_copies(tmp_path: Path) -> None:
    arguments = {"states": (torch.arange(6.0).view(3, 2),), "source": [0], "destination": [2]}
    write_call(str(tmp_path), HOOKS["draft_reorder"], arguments, {})
    done = syncfree("ab", "draft_reorder", "reference", "sync_free", "--replay", str(tmp_path), *QUICK)
    assert "results differ" not in done.output
    assert "host time per call: " in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pooled_row", "reference", "sync_free", "--replay", "x"), "unknown hook 'pooled_row'; did you mean 'pooled_rows'"),
        (("pooled_rows", "reference", "sync_fre", "--replay", "{calls}"), "'sync_fre' does not implement pooled_rows; did you mean"),
        (("pooled_rows", "upstream", "sync_free", "--replay", "{calls}"), "upstream is a framework's function with other arguments"),
        (("pooled_rows", "sync_free", "sync_free", "--replay", "{calls}"), "'sync_free' is given twice"),
        (("pooled_rows", "reference", "sync_free", "--replay", "nothing"), "nothing has no recorded call of pooled_rows"),
        (("pooled_rows", "reference", "sync_free"), "give one of --replay DIR, --job JOB and -- COMMAND"),
        (("pooled_rows", "reference", "sync_free", "--replay", "{calls}", "--figure", "speed"), "unknown figure 'speed'"),
        (("pooled_rows", "reference", "sync_free", "--replay", "{calls}", "--json", "no/x"), "there is no folder no"),
        (("pooled_rows", "reference", "sync_free", "--replay", "{calls}", "--json", "{calls}"), " is a folder; give a file in it"),
        (("pooled_rows", "reference", "no_module:f", "--replay", "{calls}"), "'no_module:f' cannot be imported"),
    ],
)
def test_a_mistake_ends_it_with_2(calls: Path, arguments: tuple[str, ...], message: str) -> None:
    done = syncfree("ab", *(argument.replace("{calls}", str(calls)) for argument in arguments))
    assert done.status == 2
    assert message in done.output
