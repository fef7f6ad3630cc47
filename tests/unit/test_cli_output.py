"""The output of the command: foreign text, and output to a standard output that cannot take it."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import syncfree
import syncfree.cli
from syncfree._text import printable
from syncfree.audit._events import Frame, Kind, Sync
from syncfree.audit._printed import text
from syncfree.audit._recording import Process, Recording
from syncfree.cli import _output

HOSTILE = "[red]a[/red] [/] [link=x]:smile: \x1b[2J\x07\u202eb\u2066\x9b1m\r\x00\udcff\u2028c é"
SHOWN = r"[red]a[/red] [/] [link=x]:smile: \x1b[2J\x07\u202eb\u2066\x9b1m\r\x00\udcff\u2028c é"
COMMANDS = Path(syncfree.cli.__file__).parent
PROGRAM = "import sys; from syncfree.cli import main; sys.argv[0] = 'syncfree'; main()"


def run(
    *arguments: str, program: str = PROGRAM, stdout: int = subprocess.PIPE, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "400", **variables}
    encoding = variables.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment, stdout=stdout, stderr=subprocess.PIPE, encoding=encoding, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def neighbour(tmp_path: Path) -> Path:
    """A folder with a distribution of a hostile name, which has a plugin and another one that cannot be imported."""
    info = tmp_path / "neighbour-1.dist-info"
    info.mkdir()
    name = HOSTILE.replace("\r", "").replace("\x00", "").replace("\udcff", "").replace("\u2028", "")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1[/]\n", "utf-8")
    (info / "entry_points.txt").write_text("[syncfree]\nneighbour = neighbour\nbroken = no_such_module_x\n")
    (tmp_path / "neighbour.py").write_text(
        "from syncfree import hookimpl\n\n\n@hookimpl()\ndef postprocess(decoded):\n    return decoded\n"
    )
    return tmp_path


@contextlib.contextmanager
def written(width: int) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(stream):
        patch.setenv("COLUMNS", str(width))
        yield stream


@given(st.text(max_size=60))
def test_every_text_is_one_printable_line_and_an_escape_is_python_s(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    if "\\" not in text:
        assert shown.encode("ascii", "backslashreplace").decode("unicode_escape") == text


@given(st.text(max_size=60) | st.sampled_from([HOSTILE, "[/]", "[bold", ":smile:", "[link=http://x]y[/link]", "\\[red]"]))
def test_lines_titles_and_cells_show_every_text_as_it_is(text: str) -> None:
    text = f"x{text}"  # rich has no room for a text of combining characters alone
    with written(1000) as stream:
        _output.print_line(text, "bold red")
        _output.print_table([text, "b"], [[text, text]], text)
        _output.print_paragraph(text.replace(" ", ""), 4)
    shown, found = printable(text).strip(), stream.getvalue()
    assert found.count(shown) >= 5
    assert all(line.isprintable() for line in found.split("\n"))


@given(st.integers(0, 120), st.lists(st.text(max_size=40), min_size=3, max_size=3))
def test_no_cell_of_a_table_is_cut_or_wrapped_at_any_width(width: int, cells: list[str]) -> None:
    cells = [f"x{cell}" for cell in cells]
    with written(width) as stream:
        _output.print_table(["a", "b", "c"], [cells])
    assert all(printable(cell).rstrip() in stream.getvalue() for cell in cells)


@pytest.mark.parametrize("columns", ["", "x", "-3", "0", "1"])
def test_every_value_of_columns_is_taken(columns: str) -> None:
    done = run("list", COLUMNS=columns, LINES=columns)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_modules_of_the_commands_print_through_one_door() -> None:
    """Which lets no text through unescaped."""
    for path in COMMANDS.glob("*.py"):
        if path.name == "_output.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] != "rich", path
            elif isinstance(node, ast.Import):
                assert all(name.name.split(".")[0] != "rich" for name in node.names), path
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called != "print", path
                assert not called.endswith(("echo", ".write")), path


def test_an_error_of_ours_is_one_printable_line() -> None:
    for kind in (syncfree.SelectionError, syncfree.PluginError, syncfree.BindingError):
        assert str(kind(f"a\n{HOSTILE}")) == rf"a\n{SHOWN}"


@pytest.mark.parametrize("command", ["list", "doctor"])
def test_the_names_of_a_distribution_are_shown_and_not_interpreted(neighbour: Path, command: str) -> None:
    done = run(command, PYTHONPATH=str(neighbour))
    assert done.returncode == 0, done.stderr
    assert r"[red]a[/red] [/] [link=x]:smile: \x1b[2J\x07\u202eb\u2066\x9b1mc é 1[/]" in done.stdout
    assert all(line.isprintable() for line in done.stdout.split("\n"))


def test_the_report_of_an_audit_shows_arguments_and_files_as_they_are() -> None:
    where = Frame(f"/no/such/{HOSTILE}".replace("\0", ""), 1, HOSTILE)
    sync = Sync(Kind.ITEM, HOSTILE, True, None, (where,), "main", 0.0, 0, HOSTILE, None)
    process = Process(1, ["python", HOSTILE], HOSTILE, "2", "3", 0.0, 0.0, [sync], [(HOSTILE, 0.0)])
    report = text(Recording(["python"], 0, [process]))
    assert report.count(SHOWN) == 5
    assert all(line.isprintable() for line in report.split("\n"))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "ascii:strict"])
def test_an_output_that_lacks_a_character_gets_an_escape(neighbour: Path, encoding: str) -> None:
    for command in ("list", "doctor"):
        done = run(command, PYTHONPATH=str(neighbour), PYTHONIOENCODING=encoding, LC_ALL="C")
        assert done.returncode == 0, done.stderr
        assert (done.stderr, "1[/]" in done.stdout) == ("", True)


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["doctor"], ["--version"]])
def test_a_reader_that_has_left_is_no_error(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(*arguments, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_top_ends_when_its_reader_has_left() -> None:
    test_a_reader_that_has_left_is_no_error(["top", "--seconds", "0.1"])


def test_a_full_disk_is_one_sentence_and_status_2() -> None:
    with open("/dev/full", "w") as full:
        done = run("list", stdout=full.fileno())
    said = "syncfree: cannot write to standard output: No space left on device (see docs/command-line.md)\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_a_mistake_in_the_arguments_is_quoted_printably() -> None:
    for arguments in (["x\x1b[2J[red]"], ["list", "\x1b[2J"], ["list", "--\x1b[2J"], ["fingerprint", "\x1b[2J\n[/]"]):
        done = run(*arguments)
        assert done.returncode == 2
        assert r"\x1b[2J" in done.stderr
        assert "Traceback" not in done.stderr
        assert all(line.isprintable() for line in done.stderr.split("\n"))


def test_an_error_of_the_program_itself_is_not_masked() -> None:
    program = f"import syncfree.cli.listing as l\nl.RUNTIME.plugins = lambda: 1 / 0\n{PROGRAM}"
    done = run("list", program=program)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "Traceback (most recent call last):"
    assert done.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize("where", ["plugins = ", "__class__.selection = "])
def test_an_interrupt_is_status_130_without_a_traceback(where: str) -> None:
    program = f"import signal, syncfree.cli.doctor as d\nd.RUNTIME.{where}lambda *_: signal.raise_signal(2)\n{PROGRAM}"
    done = run("doctor", program=program)
    assert (done.returncode, done.stderr) == (130, "")


def test_an_interrupt_while_the_command_is_still_imported_is_status_130() -> None:
    finder = "class Now:\n  def find_spec(self, name, *_):\n    if name == 'typer': signal.raise_signal(2)\n"
    program = f"import signal, sys\n{finder}sys.meta_path.insert(0, Now())\n{PROGRAM}"
    done = run("doctor", program=program)
    assert (done.returncode, done.stderr) == (130, "")
