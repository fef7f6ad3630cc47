"""``SYNCFREE_REPORT=1``: counts and what was never bound, printed when a process ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .made_up import REDUCE, MadeUp

PROGRAM = """
import sys
sys.path[:0] = [{folder!r}, {root!r}]
import syncfree
from syncfree._runtime import RUNTIME
from syncfree.adapting import Adapter
from tests.unit.made_up import reduce_binding

class Mine:
    @syncfree.hookimpl(exact=True)
    def dp_all_reduce(self, local, rank, size, group, device):
        return [local, rank]

adapter = Adapter("made_up", "made_up", ("made-up",), (reduce_binding(),), home="made_up_adapter")
RUNTIME.adapters().add(adapter, "the test's")
syncfree.register(Mine(), "mine")
with syncfree.use(dp_all_reduce="mine"):
    syncfree.load("made_up")
    {body}
"""


def run(made_up: MadeUp, body: str, **variables: str) -> str:
    made_up.release("1.0")
    made_up.record(REDUCE)
    made_up.install("1.0")
    program = PROGRAM.format(folder=str(made_up.folder), root=str(Path(__file__).parents[2]), body=body)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SYNCFREE")}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**environment, **variables}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


CALL = "import made_up.work as work; [work.reduce([1], 0, 1, None, 'cpu') for _ in range(3)]"


def test_the_report_counts_the_calls_of_each_choice(made_up: MadeUp) -> None:
    assert "dp_all_reduce=mine: 3 calls, 0 declined to upstream\n" in run(made_up, CALL, SYNCFREE_REPORT="1")


def test_the_report_names_what_was_never_bound(made_up: MadeUp) -> None:
    text = run(made_up, "pass", SYNCFREE_REPORT="on")
    assert "never bound, because the module was not imported (places): dp_all_reduce (1)" in text
    assert "calls" not in text


def test_the_report_names_what_was_bound_and_never_called(made_up: MadeUp) -> None:
    assert "bound and never called: dp_all_reduce" in run(made_up, "import made_up.work", SYNCFREE_REPORT="1")


def test_a_forked_child_reports_its_own_process(made_up: MadeUp) -> None:
    body = "import os; pid = os.fork(); pid or sys.exit(); os.waitpid(pid, 0)"
    lines = [line for line in run(made_up, body, SYNCFREE_REPORT="1").splitlines() if "never bound" in line]
    assert len({line.split(":")[1] for line in lines}) == 2


@pytest.mark.parametrize("value", ["", "0", "off"])
def test_without_it_nothing_is_printed(made_up: MadeUp, value: str) -> None:
    assert "syncfree: pid" not in run(made_up, CALL, SYNCFREE_REPORT=value)
