"""The demos: a child process that fails ends them with its own words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docs.demos._children import failures_in_words, last_sentence, printed_by
from tests.environments import BuildError

ROOT = Path(__file__).parents[2]
FAILING = """
import sys
if len(sys.argv) > 1:
    raise ValueError("the child's own words,\\nin two lines")
from docs.demos._children import printed_by
printed_by("failing", "--child")
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
