"""Options and variables of the interpreter, and the ways to start a program."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import strategies as st

from . import judging
from .children import run
from .drawn import drawn
from .installation import Installation
from .tally import Tally

FAMILY = "options of the interpreter"
PROGRAM = "import hostile_child; hostile_child.imported_and_probed()"
LOADED = "import hostile_child, syncfree; syncfree.load('diffusers'); hostile_child.imported_and_probed()"
OPTIONS = (
    "-I",
    "-E",
    "-s",
    "-B",
    "-O",
    "-OO",
    "-P",
    "-u",
    "-b",
    "-bb",
    "-d",
    "-q",
    "-x",
    "-W error",
    "-W always",
    "-X dev",
    "-X utf8",
    "-X frozen_modules=off",
    "-X frozen_modules=on",
    "-X importtime",
    "-X tracemalloc=5",
    "-X no_debug_ranges",
    "-X warn_default_encoding",
    "-X int_max_str_digits=640",
    "-X faulthandler",
)
VARIABLES = {
    "PYTHONSAFEPATH": "1",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONUTF8": "0",
    "PYTHONIOENCODING": "ascii",
    "PYTHONDEVMODE": "1",
    "PYTHONVERBOSE": "1",
    "PYTHONTRACEMALLOC": "1",
    "PYTHONMALLOC": "debug",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONPYCACHEPREFIX": "/nowhere",
    "PYTHONPROFILEIMPORTTIME": "1",
    "PYTHONINTMAXSTRDIGITS": "640",
    "PYTHONUNBUFFERED": "1",
    "PYTHONPATH": "::/nowhere:.",
    "PYTHONBREAKPOINT": "0",
    "LC_ALL": "C",
    "LANG": "xx_YY.banana",
    "HOME": "/nowhere",
    "TMPDIR": "/nowhere",
    "TERM": "",
    "TZ": "nowhere",
    "COLUMNS": "banana",
}


@st.composite
def starts(draw: st.DrawFn) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Some options, some variables, and whether the program loads by itself."""
    options = draw(st.lists(st.sampled_from(OPTIONS), max_size=3, unique=True))
    names = draw(st.lists(st.sampled_from(sorted(VARIABLES)), max_size=3, unique=True))
    return tuple(options), tuple(names), draw(st.booleans())


@pytest.mark.parametrize(
    "start", drawn(starts(), 60), ids=lambda start: " ".join((*start[0], *start[1], *(["load"] * start[2])))
)
def test_options_and_variables(
    start: tuple[tuple[str, ...], tuple[str, ...], bool], shared: Installation, folder: Path, tally: Tally
) -> None:
    options, names, loads = start
    words = [word for option in options if option != "-x" for word in option.split()]
    ended = run(shared, folder, LOADED if loads else PROGRAM, options=words, **{name: VARIABLES[name] for name in names})
    judging.by_default(judging.imported(ended))
    assert ended.code == 0, str(ended)
    tally.held()


WITHOUT_SITE = """
import sys
sys.path.append({site!r})
import hostile_child
"""


@pytest.mark.parametrize("option", ["-S", "-IS", "-SE"])
@pytest.mark.parametrize("loads", [False, True])
def test_without_the_site_module(option: str, loads: bool, shared: Installation, folder: Path, tally: Tally) -> None:
    """No `.pth` runs then: upstream's code, or ours when the program loads it."""
    load = "import syncfree; syncfree.load('diffusers')\n" if loads else ""
    program = f"{WITHOUT_SITE.format(site=str(shared.site))}{load}hostile_child.imported_and_probed()"
    facts = judging.imported(run(shared, folder, program, options=[option]))
    judging.by_default(facts) if loads else judging.untouched(facts)
    tally.held()


def _script(folder: Path, program: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "program.py"
    path.write_text(program)
    return path


@pytest.mark.parametrize(
    "way",
    [
        "script",
        "module",
        "folder",
        "zip",
        "standard input",
        "runpy path",
        "runpy module",
        "exec",
        "pdb",
        "cProfile",
        "trace",
        "timeit",
        "unittest",
        "a name that is not ASCII",
        "a name that is not UTF-8",
        "a path with brackets",
        "-c with -i",
        "a thread",
        "a frozen path",
    ],
)
def test_ways_to_start(way: str, shared: Installation, folder: Path, tally: Tally) -> None:
    script = _script(folder, PROGRAM)
    options: list[str] = []
    command = [str(script)]
    if way == "module":
        command, options = ["-m", "program"], []
    elif way == "folder":
        (folder / "app").mkdir()
        script.rename(folder / "app" / "__main__.py")
        command = [str(folder / "app")]
    elif way == "zip":
        with zipfile.ZipFile(folder / "app.pyz", "w") as archive:
            archive.writestr("__main__.py", PROGRAM)
        command = [str(folder / "app.pyz")]
    elif way == "standard input":
        command = ["-c", f"import os, sys; os.execv(sys.executable, [sys.executable, '-c', open({str(script)!r}).read()])"]
    elif way.startswith("runpy"):
        call = (
            f"run_path({str(script)!r}, run_name='__main__')"
            if way.endswith("path")
            else "run_module('program', alter_sys=True)"
        )
        command = ["-c", f"import runpy; runpy.{call}"]
    elif way == "exec":
        command = ["-c", f"exec(compile(open({str(script)!r}).read(), '<made up>', 'exec'), {{}})"]
    elif way in ("pdb", "trace"):
        command = (
            ["-m", "pdb", "-c", "continue", "-c", "quit", str(script)]
            if way == "pdb"
            else ["-m", "trace", "--count", "-C", str(folder / "c"), str(script)]
        )
    elif way == "cProfile":
        command = ["-m", "cProfile", str(script)]
    elif way == "timeit":
        command = ["-m", "timeit", "-n", "1", "-r", "1", PROGRAM]
    elif way == "unittest":
        script.write_text(f"import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        {PROGRAM}\n")
        command = ["-m", "unittest", "program"]
    elif way.startswith("a name") or way == "a path with brackets":
        name = {"a name that is not ASCII": "pr\u00f6gr\u00e4m.py", "a path with brackets": "[red]prog[bold].py"}.get(
            way, b"pr\xf6gr.py".decode(errors="surrogateescape")
        )
        command = [str(script.rename(folder / name))]
    elif way == "-c with -i":
        command = ["-i", "-c", PROGRAM]
    elif way == "a thread":
        command = [
            "-c",
            f"import threading; t = threading.Thread(target=lambda: exec({PROGRAM!r}, {{}})); t.start(); t.join()",
        ]
    elif way == "a frozen path":
        command = ["-c", f"import sys; sys.frozen = True; sys.argv = []; {PROGRAM}"]
    ended = run(shared, folder, "", options=options, command=command)
    judging.by_default(judging.imported(ended))
    tally.held()
