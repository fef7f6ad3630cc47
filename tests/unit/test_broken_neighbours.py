"""The first import of a framework beside what others have broken: it is imported, and one line says what was left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .first_import import FirstImport
from .neighbours import GOOD, Neighbours

ROOT = Path(__file__).parents[2]
PLUGINS = {
    "exit": "import sys; sys.exit(3)",
    "base exception": "raise BaseException",
    "unprintable": "class Odd(BaseException):\n  def __str__(self): raise SystemExit\nraise Odd",
    "megabyte": "raise RuntimeError('x' * 2**20)",
    "escapes": "raise RuntimeError('\\x1b[2J\\nsyncfree left out nothing')",
    "syntax": "def broken(:",
    "recursion": "def f(): f()\nf()",
    "of the framework": "from diffusers import executed",
    "stdout": "import sys; sys.stdout.close()",
    "stderr": "import sys; sys.stderr.close()",
    "path": "import sys; sys.path.clear()",
    "removed": "import sys; del sys.modules[__name__]",
    "load": "import syncfree; syncfree.load('diffusers')\nraise SystemExit(3)",
    "generator": "import syncfree\n@syncfree.hookimpl\ndef postprocess(decoded): yield",
    "attribute": "def __dir__(): raise BaseException",
}
FILES = {
    "entry points": ("acme-1.0.dist-info/entry_points.txt", "garbage\n"),
    "entry points not utf-8": ("acme-1.0.dist-info/entry_points.txt", b"\xff\n"),
    "a file": ("acme-1.0.dist-info", ""),
    "ours": ("syncfree-0.0.dist-info/METADATA", "Name: syncfree\nVersion: 0.0\n"),
    "ours not utf-8": ("syncfree-0.0.dist-info/entry_points.txt", b"\xff\n"),
}


@pytest.fixture
def first(tmp_path: Path) -> FirstImport:
    return FirstImport(tmp_path)


@pytest.fixture
def neighbours(first: FirstImport) -> Neighbours:
    return Neighbours(first.folder)


def left_out(first: FirstImport) -> str:
    """The one line that is said where the framework is imported and its hooks are loaded."""
    done = first.run("import diffusers, syncfree; print(diffusers.executed, syncfree.plan().loaded)")
    assert (done.returncode, done.stdout) == (0, "True ('diffusers',)\n"), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("syncfree left out ")
    assert line.isprintable()
    return line


@pytest.mark.parametrize("case", PLUGINS)
def test_a_broken_plugin_is_left_out_and_the_framework_imported(
    first: FirstImport, neighbours: Neighbours, case: str
) -> None:
    neighbours.plugin(PLUGINS[case])
    assert left_out(first).startswith("syncfree left out plugin 'acme' of acme 1.0: ")


@pytest.mark.parametrize("case", [case for case in PLUGINS if case not in ("generator", "attribute", "load")])
def test_a_broken_adapter_is_left_out_and_the_framework_imported(
    first: FirstImport, neighbours: Neighbours, case: str
) -> None:
    neighbours.adapter(PLUGINS[case])
    assert left_out(first).startswith("syncfree left out adapter 'acme' of acme 1.0: ")


@pytest.mark.parametrize("case", FILES)
def test_damaged_metadata_is_named_and_the_framework_imported(first: FirstImport, case: str) -> None:
    name, content = FILES[case]
    path = first.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    line = left_out(first)
    assert ("syncfree 0.1" if case.startswith("ours") else "acme 1.0") in line


def test_metadata_that_is_not_utf_8_leaves_nothing_out(first: FirstImport, neighbours: Neighbours) -> None:
    neighbours.module("made_up_acme", GOOD)
    neighbours.distribution("[syncfree]\nacme = made_up_acme\n", metadata=b"Name: caf\xe9\n")
    neighbours.distribution("", "diffusers", "0.1", metadata=b"Author: caf\xe9\n")
    program = "import diffusers, syncfree; print({entry.version for entry in syncfree.plan()}, syncfree.plan().broken)"
    assert first.says(program) == "{'0.1'} ()"


@pytest.mark.parametrize("name", ["packaging", "pluggy"])
def test_a_module_of_the_users_that_hides_one_of_ours_is_named_with_its_file(first: FirstImport, name: str) -> None:
    first.add(f"{name}.py", "mine = True\n")
    done = first.run("import diffusers; print(diffusers.executed)")
    assert (done.returncode, done.stdout) == (0, "True\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("syncfree: nothing of diffusers is bound: ")
    assert f"{first.folder / name}.py" in line


@pytest.mark.parametrize("file", ["_runtime", "_errors", "_text", "hooks/__init__", "plugins/sync_free/plugin"])
@pytest.mark.parametrize(
    ("text", "said"), [("def broken(:\n", "SyntaxError"), ("raise SystemExit(3)\n", "SystemExit: 3"), ("\0", "null bytes")]
)
def test_a_damaged_file_of_ours_leaves_the_framework_alone(first: FirstImport, file: str, text: str, said: str) -> None:
    """As an installation that was interrupted leaves it."""
    folder = first.folder / "syncfree"
    for name, source in {"": "registry", "plugins": "plugins", "adapters": "adapters"}.items():
        shutil.copytree(ROOT / source, folder / name, dirs_exist_ok=True)
    (folder / f"{file}.py").write_text(text)
    done = first.run("import diffusers; print(diffusers.executed)")
    assert (done.returncode, done.stdout) == (0, "True\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("syncfree")
    assert said in line


def test_every_neighbour_at_once(first: FirstImport, neighbours: Neighbours) -> None:
    for number, source in enumerate(PLUGINS.values()):
        neighbours.plugin(source, f"broken_{number}")
    neighbours.plugin(GOOD, "good")
    done = first.run(
        "import diffusers, syncfree; from syncfree._runtime import RUNTIME\n"
        "print(len(RUNTIME.plugins().candidates('postprocess')), len(syncfree.plan().broken))"
    )
    assert (done.returncode, done.stdout) == (0, f"2 {len(PLUGINS)}\n"), done.stderr
    assert len(done.stderr.splitlines()) == len(PLUGINS)


def test_an_interrupt_is_the_users(first: FirstImport, neighbours: Neighbours) -> None:
    neighbours.plugin("raise KeyboardInterrupt")
    done = first.run("import diffusers")
    assert done.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert done.returncode != 0
