"""Forked and spawned children, pools, exits, and ends in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import judging
from .children import run
from .installation import Installation
from .snippets import snippets
from .tally import Tally

FAMILY = "processes"
MODULE = """
import os, sys

def probe(_=None):
    import hostile_child
    hostile_child.import_framework()
    return hostile_child.probe()

def probe_into(connection):
    connection.send(probe())
    connection.close()

class Holds:
    def __reduce__(self):
        import diffusers.work
        return (str, ("x",))
"""
HEAD = "import hostile_child, hostile_work, multiprocessing, os, signal, sys, threading, time, subprocess, json\n"
END = "\nhostile_child.imported_and_probed(child=child)\n"
METHODS = ("fork", "spawn", "forkserver")
BEFORE = {
    "nothing": "",
    "imported": "import diffusers.late, diffusers.more",
    "loaded": "import syncfree; syncfree.load('diffusers')",
    "switched": "import syncfree, diffusers.work; syncfree.use(dp_all_reduce='acme')",
    "planned": "import syncfree; syncfree.plan()",
    "restored": "import syncfree, diffusers.work; syncfree.restore(); syncfree.load('diffusers')",
}
WAYS = snippets("children")


@pytest.fixture
def environment(private: Installation) -> Installation:
    private.add({"hostile_work.py": MODULE})
    return private


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("method", METHODS)
def test_a_child_of_multiprocessing(
    method: str, before: str, way: str, environment: Installation, folder: Path, tally: Tally
) -> None:
    folder.mkdir(parents=True)
    body = f"{BEFORE[before]}\ncontext = multiprocessing.get_context({method!r})\n{WAYS[way]}{END}"
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    (folder / "program.py").write_text(f"{HEAD}if __name__ == '__main__':\n{indented}")
    ended = run(environment, folder, "", command=["program.py"])
    facts = judging.imported(ended)
    judging.by_default(facts)
    judging.honest(facts["child"])
    assert facts["child"]["live"] == facts["live"], facts["child"]
    tally.held()


OTHERS = snippets("processes")


@pytest.mark.parametrize("what", OTHERS)
def test_another_process(what: str, environment: Installation, folder: Path, tally: Tally) -> None:
    ended = run(environment, folder, f"{HEAD}{OTHERS[what]}{END}")
    facts = judging.imported(ended)
    assert facts["child"] == 0, f"the child ended with {facts['child']}: {ended}"
    assert ended.code == 0, str(ended)
    tally.held()
