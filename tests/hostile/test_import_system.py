"""Neighbours in the import system, and odd ways to import a target."""

from __future__ import annotations

import zipfile
from pathlib import Path
from textwrap import indent

import pytest

from . import judging
from .children import Ended, run
from .installation import Installation
from .snippets import snippets
from .tally import Tally

FAMILY = "neighbours in the import system"
HEAD = (
    "import hostile_child, importlib, importlib.abc, importlib.machinery, importlib.util, os, pkgutil, runpy, sys, types\n"
)
PROBE = "hostile_child.imported_and_probed()"
FINDERS = snippets("finders")
ONLY_WORK = "hostile_child.import_framework = lambda: __import__('diffusers.work')\n"
PLACES = {"in front": "sys.meta_path.insert(0, F())", "behind": "sys.meta_path.append(F())"}
LOSES = {
    ("removes us", "in front"),
    ("removes us", "behind"),
    ("reverses the order", "in front"),
    ("reverses the order", "behind"),
    ("loads by itself", "in front"),
    ("wraps the loader", "in front"),
    ("subclasses the loader with slots", "in front"),
    ("uses the old load_module", "in front"),
}
"""Who takes our finder out, or finds the framework before it, has the framework unpatched: that is what it asked for."""


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", FINDERS)
def test_a_neighbour_on_the_meta_path(what: str, place: str, shared: Installation, folder: Path, tally: Tally) -> None:
    program = f"{HEAD}class F:\n{indent(FINDERS[what], '    ')}\n{PLACES[place]}\n{PROBE}"
    _judged(
        run(shared, folder / "without", program, SYNCFREE="off"),
        run(shared, folder / "with", program),
        (what, place) not in LOSES,
        tally,
    )


def _judged(without: Ended, ended: Ended, all_of_ours: bool, tally: Tally) -> None:
    """As without us where that fails; otherwise the framework works, and everything is bound where it can be."""
    if without.facts is None or without.facts["errors"] != [None]:
        assert not ended.stacks, str(ended)
        assert ended.facts is None or ended.facts["errors"] != [None], f"{without}\n{ended}"
        tally.held()
        return
    facts = judging.imported(ended)
    assert ended.code == without.code, f"{without}\n{ended}"
    if (said := judging.nothing_bound(ended)) is not None:  # the neighbour raised while syncfree itself was being imported
        tally.refused(said)
        return
    if all_of_ours:
        judging.by_default(facts)
    tally.held()


WAYS = snippets("ways_to_import")
OTHERWISE = (
    "by hand",
    "a failed import first",
    "no spec",
    "lazily",
    "lazily, never touched",
    "our site module anew",
    "pkgutil walks",
    "unittest.mock.patch",
    "by hand, twice",
)
"""Ways after which a target may be upstream's; the plan then says so, which is asserted of every way."""


@pytest.mark.parametrize("way", WAYS)
def test_a_way_to_import(way: str, shared: Installation, folder: Path, tally: Tally) -> None:
    without = run(shared, folder / "without", f"{HEAD}{WAYS[way]}\n{PROBE}", SYNCFREE="off")
    ended = run(shared, folder / "with", f"{HEAD}{WAYS[way]}\n{PROBE}")
    _judged(without, ended, way not in OTHERWISE, tally)


@pytest.mark.parametrize(
    "way",
    ["zip", "zip in front", "no source", "links", "namespace", "two copies", "two copies of ours", "read-only", "extension"],
)
def test_a_place_that_the_framework_comes_from(way: str, private: Installation, folder: Path, tally: Tally) -> None:
    """Judged from sources, wherever they are; where there are none, refused with one line."""
    source = private.own("diffusers")
    before = ""
    if way.startswith("zip"):
        with zipfile.ZipFile(private.home / "lib.zip", "w") as archive:
            for file in source.glob("*.py"):
                archive.write(file, f"diffusers/{file.name}")
        before = f"sys.path.{'insert(0, ' if 'front' in way else 'append('}{str(private.home / 'lib.zip')!r})\n"
        if way == "zip":
            private.remove("diffusers")
    elif way == "no source":
        import py_compile

        for file in source.glob("*.py"):
            py_compile.compile(str(file), cfile=str(file.with_suffix(".pyc")))
            file.unlink()
    elif way == "links":
        source.rename(private.home / "elsewhere")
        (private.site / "diffusers").symlink_to(private.home / "elsewhere")
    elif way == "namespace":
        (source / "__init__.py").unlink()
    elif way == "two copies":
        private.add(
            {
                "other_path/diffusers/__init__.py": "from . import work",
                "other_path/diffusers/work.py": "def progress(): pass\ndef reduce(): pass",
            }
        )
        before = f"sys.path.insert(0, {str(private.site / 'other_path')!r})\n{ONLY_WORK}hostile_child.TARGETS = {{}}\n"
    elif way == "two copies of ours":
        (private.home / "second").mkdir()
        (private.home / "second" / "syncfree").symlink_to((private.site / "syncfree").resolve())
        before = f"sys.path.insert(0, {str(private.home / 'second')!r})\n"
    elif way == "read-only":
        source.chmod(0o500)
    else:
        private.add({"diffusers/late.cpython-311-x86_64-linux-gnu.so": b"\x7fELF not really"})
        before = ONLY_WORK
    ended = run(private, folder, f"{HEAD}{before}{PROBE}")
    facts = judging.alive(ended)
    assert facts["errors"] == [None], str(ended)
    if way != "two copies":
        judging.honest(facts)
    said = [line for line in ended.err.splitlines() if "syncfree" in line]
    tally.refused(said[0]) if said else tally.held()
