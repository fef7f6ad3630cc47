"""The released diffusers with our wheel installed: what threads, neighbours and unmet choices do to its first import."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.environments import release, wheel

from . import judging
from .children import Ended, finished
from .installation import SITE, metadata, variables
from .tally import Tally

FAMILY = "the released diffusers"
RELEASE = "0.42.1"
SECONDS = 120.0
"""Importing torch and diffusers takes seven, and minutes on a machine with other work."""
PROGRAM = """
import hashlib, hostile_child, importlib.util, os, signal, sys, threading
{before}
errors = []
def in_thread(action):
    def run():
        error = hostile_child.caught(action)
        if error is not None:
            errors.append(error)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
stop = threading.Event()
def repeated(action):
    def run():
        while not stop.is_set():
            action()
    return in_thread(run)
def read_plan():
    import syncfree
    syncfree.plan()
def read_counters():
    import syncfree
    syncfree.counters()
def load():
    import syncfree
    syncfree.load("diffusers")
def toggle():
    import syncfree
    with syncfree.use(scheduler_step="upstream"): pass
    syncfree.use(scheduler_step="default")
def look():
    importlib.util.find_spec("diffusers")
def imported():
    import diffusers
def fork():
    if (child := os.fork()) == 0:
        signal.alarm(30)
        syncfree.plan(), syncfree.counters()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, "the child hung"
{threads}
failures = [hostile_child.caught(imported) for _ in range({times})]
sample = None
if failures[-1] is None:
    import torch
    from diffusers import UniPCMultistepScheduler
    scheduler = UniPCMultistepScheduler()
    scheduler.set_timesteps(5)
    sample = torch.linspace(-1, 1, 64).reshape(1, 4, 4, 4)
    for timestep in scheduler.timesteps:
        sample = scheduler.step(sample * 0.1, timestep, sample).prev_sample
    sample = hashlib.sha256(sample.numpy().tobytes()).hexdigest()
stop.set()
for thread in threading.enumerate():
    if thread is not threading.main_thread() and thread.daemon: thread.join(60)
import syncfree
plan, broken = [], []
if failures[-1] is None:
    found = syncfree.plan()
    broken = list(found.broken)
    plan = [(e.hook, e.state, e.choice, e.calls) for e in found if any("unipc_multistep" in t for t in e.targets)]
hostile_child.write(errors=failures, threads=errors, sample=sample, plan=plan, broken=broken)
"""


@pytest.fixture(scope="session")
def python() -> Path:
    return release("diffusers", RELEASE, wheel())


def started(python: Path, folder: Path, threads: str, before: str = "", times: int = 1, **environment: str) -> Ended:
    """Run the program with these threads beside the import; `folder` is on the path, for distributions of the test."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SITE / "hostile_child.py", folder)
    program = PROGRAM.format(threads=threads, before=before, times=times)
    paths = {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return finished([str(python), "-c", program], folder, variables(folder, **paths, **environment), folder, SECONDS)


@pytest.fixture(scope="session")
def without_us(python: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sample of upstream's code."""
    facts = judging.alive(started(python, tmp_path_factory.mktemp("off") / "off", "", SYNCFREE="off"))
    return str(facts["sample"])


def held(ended: Ended, sample: str) -> None:
    """Upstream's sample, made by our implementation."""
    facts = judging.alive(ended)
    assert facts["errors"] == [None] * len(facts["errors"]), str(ended)
    assert facts["threads"] == [], facts["threads"]
    assert facts["sample"] == sample
    steps = [entry for entry in facts["plan"] if entry[0] == "scheduler_step"]
    assert {(state, choice) for _, state, choice, _ in steps} == {("bound", "coefficient_table")}, str(ended)
    assert sum(calls for *_, calls in steps) > 0, facts["plan"]


THREADS = {
    "plan": "repeated(read_plan)",
    "counters": "repeated(read_counters)",
    "load": "in_thread(load)",
    "find_spec": "repeated(look)",
    "two imports": "in_thread(imported)",
    "everything": "[repeated(f) for f in (read_plan, read_counters, look)] + [in_thread(f) for f in (load, imported)]",
}


@pytest.mark.parametrize("what", THREADS)
def test_threads_at_the_first_import(what: str, python: Path, without_us: str, folder: Path, tally: Tally) -> None:
    held(started(python, folder, THREADS[what]), without_us)
    tally.held()


@pytest.mark.parametrize("what", ["toggle", "fork", "both"])
def test_threads_that_switch_and_fork_beside_it(
    what: str, python: Path, without_us: str, folder: Path, tally: Tally
) -> None:
    """They have loaded before: in a child that is forked in the middle of an import, that import hangs, with us or without."""
    actions = {"toggle": "repeated(toggle)", "fork": "repeated(fork)", "both": "repeated(toggle), repeated(fork)"}
    before = "import syncfree; syncfree.load('diffusers')\nimport warnings; warnings.simplefilter('ignore')"
    facts = judging.alive(started(python, folder, actions[what], before))
    assert (facts["errors"], facts["threads"], facts["sample"]) == ([None], [], without_us), facts
    tally.held()


@pytest.mark.parametrize("name", ["nonsense", "shm_mailbox", "Sync_Free"])
def test_an_unmet_choice_stops_every_attempt(name: str, python: Path, folder: Path, tally: Tally) -> None:
    facts = judging.alive(started(python, folder, "in_thread(look)", times=3, SYNCFREE_SCHEDULER_STEP=name))
    assert len({error and error["text"] for error in facts["errors"]}) == 1, facts["errors"]
    tally.refused(judging.refused(facts["errors"][0], "SYNCFREE_SCHEDULER_STEP", name))


# An entry_points.txt that cannot be parsed ends `import torch` by itself.
NEIGHBOURS = {
    "a plugin that exits": {"hostile_plugin.py": "import sys; sys.exit(3)"},
    "a plugin that imports it": {"hostile_plugin.py": "import diffusers.schedulers; raise ValueError('broken')"},
    "a plugin whose error cannot be printed": {
        "hostile_plugin.py": "class E(Exception):\n    def __str__(self): raise ValueError\nraise E"
    },
}


@pytest.mark.parametrize("what", NEIGHBOURS)
def test_a_broken_neighbour(what: str, python: Path, without_us: str, folder: Path, tally: Tally) -> None:
    files = {**metadata("hostile-plugin", {"syncfree": ["hostile = hostile_plugin"]}), **NEIGHBOURS[what]}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    ended = started(python, folder, "")
    held(ended, without_us)
    tally.refused(judging.left_out(judging.alive(ended), "hostile-plugin 1.0"))
