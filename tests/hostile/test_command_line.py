"""The command line where terminals, names and paths are odd."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from . import judging
from .children import Ended, run
from .installation import Installation
from .snippets import snippets
from .tally import Tally

FAMILY = "the command line"
PROGRAM = """
import hostile_child, sys
sys.argv = ["syncfree", *sys.argv[1:]]
from syncfree.cli import main
code = 0
try:
    main()
except SystemExit as end:
    code = end.code or 0
hostile_child.write(code=code, loaded=[name for name in sys.modules if name.startswith("diffusers")])
sys.exit(code)
"""
TERMINALS: dict[str, dict[str, str]] = {
    "dumb": {"TERM": "dumb"},
    "unknown": {"TERM": "klingon"},
    "no colour": {"NO_COLOR": "1"},
    "forced colour": {"FORCE_COLOR": "1"},
    "one column": {"COLUMNS": "1"},
    "no columns": {"COLUMNS": "0"},
    "columns that are no number": {"COLUMNS": "wide"},
    "many columns": {"COLUMNS": "10000"},
    "ASCII": {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
    "strict UTF-16": {"PYTHONIOENCODING": "utf-16:strict"},
}
UNMET = {"SYNCFREE_POSTPROCESS": "sync_free"}


def command(installation: Installation, folder: Path, *words: str, **variables: str) -> Ended:
    return run(installation, folder, "", command=["-c", PROGRAM, *words], **variables)


@pytest.mark.parametrize("words", [("doctor",), ("list",), ("doctor", "--json"), ("list", "--json")], ids=" ".join)
@pytest.mark.parametrize("terminal", TERMINALS)
def test_a_terminal(terminal: str, words: tuple[str, ...], shared: Installation, folder: Path, tally: Tally) -> None:
    ended = command(shared, folder, *words, **TERMINALS[terminal])
    facts = judging.alive(ended)
    assert (facts["code"], facts["loaded"]) == (0, []), str(ended)
    assert "Traceback" not in ended.err, ended.err
    tally.held()


@pytest.mark.parametrize("words", [("doctor",), ("doctor", "--json")], ids=" ".join)
@pytest.mark.parametrize("settings", [UNMET, {"SYNCFREE_DP_ALL_REDUCE": "acme", **UNMET}], ids=["one", "two"])
def test_doctor_shows_its_table_and_status_1_for_an_unmet_choice_and_loads_nothing(
    settings: dict[str, str], words: tuple[str, ...], shared: Installation, folder: Path, tally: Tally
) -> None:
    ended = command(shared, folder, *words, COLUMNS="200", **settings)
    facts = judging.alive(ended)
    assert (facts["code"], facts["loaded"]) == (1, []), str(ended)
    assert "progress_reporting" in ended.out, ended.out
    problem = json.loads(ended.out)["problems"][0] if "--json" in words else ended.out.splitlines()[-1]
    tally.refused(problem)


MISTAKES = [
    (),
    ("nonsense",),
    ("doctor", "--nonsense"),
    ("doctor", "extra"),
    ("list", "\udcff"),
    ("fingerprint",),
    ("fingerprint", "nonsense"),
    ("audit",),
    ("audit", "--budget", "x"),
    ("--version", "--help"),
    ("doctor", "--server"),
    ("",),
    ("[red]",),
]


@pytest.mark.parametrize(
    "words", MISTAKES, ids=lambda words: " ".join(words).encode("ascii", "replace").decode() or "nothing"
)
def test_a_wrong_command_is_refused_without_a_traceback(
    words: tuple[str, ...], shared: Installation, folder: Path, tally: Tally
) -> None:
    ended = command(shared, folder, *words)
    facts = judging.alive(ended)
    assert "Traceback" not in ended.err, ended.err
    assert facts["code"] in (0, 1, 2), str(ended)
    lines = [line for line in (ended.err or ended.out).splitlines() if line.strip()]
    tally.held() if facts["code"] == 0 else tally.refused(lines[-1])


NAMES = ("[red]name", "name[/]", "na\x1b[31mme", "name\u202egnp.exe", "[link=x]n", "name\\[x]")


@pytest.mark.parametrize("words", [("list",), ("doctor",), ("list", "--json")], ids=" ".join)
@pytest.mark.parametrize("name", NAMES)
def test_a_distribution_whose_name_is_markup_is_shown_as_it_is(
    name: str, words: tuple[str, ...], private: Installation, folder: Path, tally: Tally
) -> None:
    private.add(
        {
            "odd-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            "odd-1.0.dist-info/entry_points.txt": "[syncfree]\nodd = odd\n",
            "odd.py": f"raise ValueError({f'broken {name}'!r})",
        }
    )
    ended = command(private, folder, *words, COLUMNS="400")
    facts = judging.alive(ended)
    assert facts["code"] == 0, str(ended)
    assert "\x1b" not in ended.out + ended.err, ended.out
    if "[" in name and "\x1b" not in name and "--json" not in words:
        assert name in ended.out, ended.out
    tally.held()


STREAMS = snippets("streams")


@pytest.mark.parametrize("words", [("doctor",), ("list", "--json")], ids=" ".join)
@pytest.mark.parametrize("stream", STREAMS)
def test_streams(stream: str, words: tuple[str, ...], shared: Installation, folder: Path, tally: Tally) -> None:
    """It ends by itself, and loads nothing."""
    program = f"import hostile_child, os, sys\n{STREAMS[stream]}\n{PROGRAM}"
    if stream.startswith("no "):  # an interpreter that starts with closed descriptors has None for its streams
        program = f"import os, sys\n{STREAMS[stream]}\nos.execv(sys.executable, [sys.executable, '-c', {PROGRAM!r}, *sys.argv[1:]])"
    ended = run(shared, folder, "", command=["-c", program, *words])
    assert not ended.stacks, str(ended)
    assert ended.err.count("Traceback") <= 1, ended.err
    if "pipe" not in stream and "full" not in stream:
        assert "Traceback" not in ended.err, ended.err
    tally.held()
