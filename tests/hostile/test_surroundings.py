"""Processes that are short of something: descriptors, memory, a working directory, a language, a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import judging
from .children import run
from .installation import Installation
from .snippets import snippets
from .tally import Tally

FAMILY = "short of something"
PROBE = "hostile_child.imported_and_probed()"
SITUATIONS = snippets("surroundings")
IMPORTS = "import hostile_child, os, sys, resource, signal, threading, tempfile, time, gc, warnings, logging, pathlib\n"
SILENT = (
    "few descriptors",
    "one descriptor left",
    "the descriptors are used up",
    "near the recursion limit",
    "a low recursion limit",
    "an open that fails",
    "300 MB of addresses",
    "tracing that fails",
    "a path that is a tuple",
    "another user",
)
"""Where something of ours may be missing as well, which is said."""


@pytest.mark.parametrize("what", SITUATIONS)
def test_the_framework_can_be_imported_all_the_same(what: str, shared: Installation, folder: Path, tally: Tally) -> None:
    """As without us: what fails with ``SYNCFREE=off`` too is not ours to mend."""
    program = f"{IMPORTS}{SITUATIONS[what]}\n{PROBE}"
    without = run(shared, folder / "without", program, SYNCFREE="off")
    ended = run(shared, folder / "with", program)
    if without.facts is None or without.facts["errors"] != [None] or without.code != 0:
        assert not ended.stacks, str(ended)
        assert (ended.facts is None) == (without.facts is None), f"{without}\n{ended}"
        tally.held()
        return
    facts = judging.alive(ended)
    assert facts["errors"] == [None], str(ended)
    assert ended.code == 0, str(ended)
    if what not in SILENT:
        judging.by_default(judging.imported(ended))
    tally.held()
