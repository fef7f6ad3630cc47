"""``syncfree ab -- COMMAND``: a running program is switched and measured. Asserted is what it did, never how long it took."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from syncfree import SelectionError
from syncfree._select import read_selection
from syncfree.hooks import HOOKS
from syncfree.measuring._comparison import read_comparison

from .support.commands import syncfree

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "tests.contract.support.made_up_program")
QUICK = ("--rounds", "8", "--equal-rounds", "1", "--block-ms", "5", "--budget", "60", "--precision", "0.01")


def ab(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from syncfree.cli import main; main()", "ab", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SYNCFREE")}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200, cwd=ROOT)


def test_a_program_is_switched_between_blocks_and_ended_when_all_rounds_are_made(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    arguments = ("pooled_rows", "upstream", "mine", *QUICK, "--json", str(file), "--", *PROGRAM, str(tmp_path))
    done = ab(*arguments, CALLS="1000000000")
    assert done.returncode in (0, 1), done.stderr  # 1: this busy machine drifted
    assert "time from call to call: " in done.stdout
    found = read_comparison(file)
    (part,) = found.parts
    assert part.name.endswith(", made_up.work:rows")
    assert (len(part.equal), len(part.rounds)) == (1, 8)
    assert set(part.rounds[0].b[1]) == {"control", "host", "process", "step"}
    assert all(figure > 0 for each in part.rounds for block in (*each.a, *each.b) for figure in block.values())
    assert found.source["kind"] == "command"
    assert part.stopped == "all rounds are made"


def test_a_program_that_ends_too_early_and_one_that_cannot_switch_say_so(tmp_path: Path) -> None:
    early = ab("pooled_rows", "upstream", "mine", *QUICK, "--", *PROGRAM, str(tmp_path), CALLS="3")
    assert early.returncode == 2
    assert "no round of pooled_rows was made: the program ended with status 0" in early.stderr
    wrong = ab("pooled_rows", "mne", "mine", *QUICK, "--", *PROGRAM, str(tmp_path), CALLS="1000000000")
    assert wrong.returncode == 2
    assert "cannot switch: syncfree: 'mne' does not implement pooled_rows; did you mean 'mine'" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pooled_rows", "mine", "mine", "--", "true"), "'mine' is given twice"),
        (("dp_all_reduce", "upstream", "sync_free", "--", "true"), "dp_all_reduce must switch on all ranks at the same call"),
        (("pooled_rows", "upstream", "mine", "--", "no-such-program"), "no-such-program cannot be started"),
        (("pooled_rows", "upstream", "mine", "--replay", "x", "--", "true"), "give one of --replay DIR, --job JOB and -- COMMAND"),
    ],
)
def test_a_mistake_ends_it_with_2(arguments: tuple[str, ...], message: str) -> None:
    done = syncfree("ab", *arguments)
    assert done.status == 2
    assert message in done.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no order of syncfree ab, which sets it"),
        ("{", "has no order of syncfree ab, which sets it"),
        ('{"hook": "x", "a": "b", "b": "c", "design": {}}', "SYNCFREE_AB: unknown hook 'x'"),
    ],
)
def test_a_folder_without_an_order_is_an_error_at_load(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "order.json").write_text(content)
    with pytest.raises(SelectionError) as caught:
        read_selection({"SYNCFREE_AB": str(tmp_path)}, HOOKS)
    assert message in str(caught.value)
