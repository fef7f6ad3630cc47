"""Threads that import, plan, load, toggle and fork at once while the framework is being imported for the first time."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import strategies as st

from . import judging
from .children import run
from .drawn import drawn
from .installation import Installation
from .tally import Tally

FAMILY = "threads at the first import"
OPERATIONS = {
    "plan": "syncfree.plan()",
    "counters": "syncfree.counters()",
    "load": "syncfree.load('diffusers')",
    "use": "syncfree.use(dp_all_reduce='acme')",
    "with use": "with syncfree.use(postprocess='upstream'): pass",
    "register": "try: syncfree.register(Plugin(), f'plugin{threading.get_ident()}')\n    except syncfree.SyncfreeError: pass",
    "find_spec": "importlib.util.find_spec('diffusers')",
    "import": "import diffusers; import diffusers.work",
    "import late": "import diffusers; import diffusers.late, diffusers.more",
    "import other": "import xml.sax.expatreader, graphlib, colorsys",
    "import ours": "import syncfree.auto",
    "metadata": "list(importlib.metadata.entry_points())",
    "caches": "importlib.invalidate_caches()",
    "survey": "syncfree._runtime.RUNTIME.survey() if hasattr(syncfree, '_runtime') else None",
    "fork": "forked()",
    "garbage": "gc.collect()",
}
RESOLVE = "import syncfree; syncfree.plan, syncfree.use"
LOAD = "import syncfree; syncfree.load('diffusers'); syncfree.counters()"
PROGRAM = """
import gc, hostile_child, importlib.metadata, importlib.util, os, sys, threading, signal
{imported}
sys.setswitchinterval(1e-5)

class Plugin:
    def __init__(self):
        import syncfree
        self.postprocess = syncfree.hookimpl(lambda decoded: ("plugin", decoded))

def forked():
    child = os.fork()
    if not child:
        signal.alarm(10)  # a child that hangs is ended by this, and the parent says so
        try:
            syncfree.plan(), syncfree.counters(), syncfree.use(dp_all_reduce="acme")
            os._exit(0)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(3)
    assert os.waitpid(child, 0)[1] == 0, "the child hung, or failed"

barrier = threading.Barrier({number})
errors = []
def run(action):
    barrier.wait()
    error = hostile_child.caught(action)
    if error is not None:
        errors.append(error)
{functions}
threads = [threading.Thread(target=run, args=(function,)) for function in ({names},)]
for thread in threads: thread.start()
for thread in threads: thread.join()
hostile_child.imported_and_probed(threads=errors)
"""


@st.composite
def together(draw: st.DrawFn) -> tuple[tuple[str, ...], bool]:
    """Up to five operations, one of them an import of the framework; whether syncfree was imported before."""
    others = draw(st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, max_size=4))
    return ("import", *others), draw(st.booleans())


def program(names: tuple[str, ...], imported: bool) -> str:
    functions = []
    for index, name in enumerate(names):
        functions.append(f"def f{index}():\n    import syncfree, importlib.util, importlib.metadata\n    {OPERATIONS[name]}")
    calls = ", ".join(f"f{index}" for index in range(len(names)))
    # In a child that is forked in the middle of an import, importing that module hangs, with us or without: so load before.
    first = LOAD if "fork" in names else RESOLVE if imported else ""
    return PROGRAM.format(imported=first, number=len(names), functions="\n".join(functions), names=calls)


@pytest.mark.parametrize(
    "situation",
    drawn(together(), 60),
    ids=lambda situation: "+".join(situation[0]) + (" ours first" if situation[1] else ""),
)
def test_neither_hangs_nor_fails(
    situation: tuple[tuple[str, ...], bool], shared: Installation, folder: Path, tally: Tally
) -> None:
    facts = judging.imported(run(shared, folder, program(*situation)))
    assert facts["threads"] == [], facts["threads"]
    if "with use" not in situation[0]:
        judging.by_default(facts)
    tally.held()


UNMET = {"an unknown name": "nonsense", "a plugin without that hook": "shm_mailbox", "a need that is not met": "sync_free"}


@pytest.mark.parametrize("others", [("plan",), ("find_spec",), ("load",), ("import", "import late"), ("use",)], ids="+".join)
@pytest.mark.parametrize("why", UNMET)
def test_an_unmet_choice_is_raised_in_each_thread_and_each_time(
    why: str, others: tuple[str, ...], shared: Installation, folder: Path, tally: Tally
) -> None:
    text = program(("import", *others), False).replace("imported_and_probed(threads", "imported_and_probed(3, threads")
    facts = judging.alive(run(shared, folder, text, SYNCFREE_POSTPROCESS=UNMET[why]))
    messages = {error and error["text"] for error in facts["errors"]}
    assert len(messages) == 1, facts["errors"]
    tally.refused(judging.refused(facts["errors"][0], "SYNCFREE_POSTPROCESS", UNMET[why]))
