"""The demos: a child process that fails ends them with its own words."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from docs.demos._children import failures_in_words, last_sentence, printed_by
from docs.demos._tables import print_rows, print_wrapped
from tests.environments import BuildError

ROOT = Path(__file__).parents[2]
FAILING = """
import sys
if len(sys.argv) > 1:
    raise ValueError("the child's own words,\\nin two lines")
from docs.demos._children import printed_by
printed_by("failing", "--child")
"""

SERVING = """
import subprocess, sys, time
from docs.demos._children import sigterm_as_exit
with sigterm_as_exit():
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        print("serving", flush=True)
        time.sleep(600)
    finally:
        print("ending", flush=True)
        time.sleep(1)
        server.kill()
        server.wait()
        print("the server ended", flush=True)
"""


def test_a_failing_child_ends_the_demo_with_its_own_sentence(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    ended = subprocess.run(
        [sys.executable, "-m", "failing"],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == "-m failing --child: ValueError: the child's own words,\nin two lines\n"


def test_a_child_that_is_killed_or_says_nothing_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for program, words in (("os._exit(7)", "ended with status 7 and said nothing"), ("os.abort()", "ended by SIGABRT")):
        (tmp_path / "silent.py").write_text(f"import os; {program}")
        with pytest.raises(SystemExit, match=words):
            printed_by("silent")


def test_sigterm_ends_what_a_demo_has_started_and_another_one_does_not_interrupt_that(tmp_path: Path) -> None:
    (tmp_path / "serving.py").write_text(SERVING)
    demo = subprocess.Popen(
        [sys.executable, "-m", "serving"], env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}, stdout=subprocess.PIPE, text=True
    )
    assert demo.stdout is not None
    with demo.stdout:
        assert demo.stdout.readline() == "serving\n"
        demo.terminate()
        assert demo.stdout.readline() == "ending\n"
        demo.terminate()
        assert demo.stdout.read() == "the server ended\n"
    assert demo.wait() == 128 + signal.SIGTERM


def test_what_a_child_printed_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "speaking.py").write_text("import sys; print(*sys.argv[1:])")
    assert printed_by("speaking", "a", "b") == "a b\n"


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("(Worker pid=3) INFO ready\nbroken pipe\n", "broken pipe"),
        (
            "Traceback\nKeyError: 'a'\n\nDuring\n\nTraceback\nsome.module.ModelError: b\nINFO bye",
            "some.module.ModelError: b\nINFO bye",
        ),
        ("", ""),
    ],
)
def test_the_last_sentence_of_a_log_is_its_last_exception_or_its_last_line(log: str, sentence: str) -> None:
    assert last_sentence(log) == sentence


@pytest.mark.parametrize(
    "error", [BuildError("pip ended with status 1"), AssertionError("ended with 1:\npip ended with status 1")]
)
def test_an_engine_that_fails_ends_the_demo_with_a_sentence(error: Exception) -> None:
    with pytest.raises(SystemExit, match=r"^vLLM: pip ended with status 1$"), failures_in_words("vLLM"):
        raise error


NAMES = ("scheduler_step", "UniPCMultistepScheduler.multistep_uni_p_bh_update", "[needed]", "coefficient_table (default)")
ROW = (*NAMES, "bound", "", "upstream reads the schedule from the device in each of its steps, which waits")


def printed_rows(width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_rows(console, "What was bound", ("hook", "target", "verdict", "choice", "state", "calls", "why"), [ROW, ROW])
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 300])
def test_a_table_of_bindings_fits_the_terminal_and_cuts_no_name(width: int) -> None:
    lines = printed_rows(width)
    assert max(map(len, lines)) <= width
    assert [name for name in NAMES if sum(name in line for line in lines) != 2] == []


def test_a_table_of_bindings_has_a_line_for_each_cell_only_where_it_is_too_wide() -> None:
    assert [line for line in printed_rows(300) if "why: " in line] == []
    assert len([line for line in printed_rows(80) if line.startswith("  why: upstream reads")]) == 2


def test_a_table_of_results_fits_the_terminal_and_cuts_no_word() -> None:
    console = Console(file=io.StringIO(), width=80)
    columns = ("scheduler_step", "video", "host syncs per step", "operators per step", "host time per step", "upstream / this")
    row = ("default: coefficient_table", "equal, bit for bit e525f894", "0", "21", "81 us", "3.39x (3.22 to 3.48)")
    print_wrapped(console, "20 steps", columns, [row], right=columns[2:])
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert [word for cell in (*columns, *row) for word in cell.split() if word not in text] == []
    assert "…" not in text
