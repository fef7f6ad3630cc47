"""Foreign code that runs in the middle of our work: handlers of logs and signals, callbacks of the garbage collector, exit handlers."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import judging
from .children import run
from .installation import Installation
from .snippets import snippets
from .tally import Tally

FAMILY = "code that runs in the middle of ours"
HEAD = "import atexit, faulthandler, gc, hostile_child, logging, os, signal, sys, threading, time, warnings, weakref\n"
ACTIONS = {
    "plans": "import syncfree; syncfree.plan()",
    "counts": "import syncfree; syncfree.counters()",
    "uses": "import syncfree\n    try: syncfree.use(dp_all_reduce='acme')\n    except syncfree.SelectionError: pass",
    "loads": "import syncfree; syncfree.load('diffusers')",
    "imports": "import diffusers.late",
    "raises": "raise ValueError('in the middle')",
    "logs": "logging.getLogger('syncfree').error('in the middle')",
}
MOMENTS = snippets("moments")
HARD = {
    ("a timer's signal", "raises"),
    ("a profiler's signal", "raises"),
    ("a log filter", "raises"),
    ("a log handler", "raises"),
    ("a callback of the garbage collector", "raises"),
}
"""Raising there is raising in whatever runs: as without us, the import may fail with that very error."""
RESOLVED = "import syncfree; syncfree.plan, syncfree.counters, syncfree.use, syncfree.load"
"""A handler of signals may interrupt the import of what it calls, so it must have imported that before, as with any library."""
PROGRAM = """
{head}{resolved}
def action():
    {action}
{moment}
hostile_child.imported_and_probed()
signal.signal(signal.SIGALRM, signal.SIG_IGN)
signal.signal(signal.SIGPROF, signal.SIG_IGN)
"""


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_in_the_middle(moment: str, action: str, shared: Installation, folder: Path, tally: Tally) -> None:
    program = PROGRAM.format(
        head=HEAD, resolved=RESOLVED if "signal" in moment else "", action=ACTIONS[action], moment=MOMENTS[moment]
    )
    ended = run(shared, folder, program)
    if (moment, action) in HARD:
        assert not ended.stacks, str(ended)
        errors = [error for error in (ended.facts or {"errors": []})["errors"] if error is not None]
        assert all(error["text"] == "in the middle" for error in errors), str(ended)
        assert ended.facts is not None or "in the middle" in ended.err, str(ended)
        tally.held()
        return
    facts = judging.imported(ended)
    assert ended.code == 0, str(ended)
    if (
        said := judging.nothing_bound(ended)
    ) is not None:  # importlib fails now and then where a signal handler imports, too
        tally.refused(said)
        return
    if action != "raises":
        judging.by_default(facts)
    tally.held()
