"""Shared parts of the processes of hostile situations: they say where they stand when asked, and write facts down.

Importing it loads nothing of syncfree. `write` may be called with closed descriptors, few of them left, and no working
directory. The watchdog is the parent's: one in this process would be a thread, which a fork loses.
"""

import faulthandler
import json
import os
import signal
import sys

FOLDER = os.environ["HOSTILE_FOLDER"]
_STACKS = open(os.path.join(FOLDER, "stacks"), "w")  # noqa: SIM115 - open as long as the process
_FACTS = open(os.path.join(FOLDER, "facts.json"), "w")  # noqa: SIM115
TARGETS = {
    "diffusers.work:progress": ("x", 3),
    "diffusers.work:reduce": ("x", 3),
    "diffusers.more:Sampler.gather": ("x", 3),
    "diffusers.late:Pipe.finish": ("x",),
    "diffusers.late:Pipe.made": ("x",),
}
faulthandler.register(signal.SIGUSR2, file=_STACKS)


def caught(action):
    """What an action raised, as `{"type", "bases", "text"}`; None when it returned."""
    try:
        action()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the finding
        return described(error)
    return None


def described(error):
    """An exception, with a text even where its own `__str__` fails."""
    try:
        text = str(error)
    except BaseException as second:  # noqa: BLE001
        text = f"its __str__ raised {type(second).__name__}"
    return {"type": type(error).__name__, "bases": [base.__name__ for base in type(error).__mro__], "text": text}


def import_framework():
    """Import every module of the framework."""
    import diffusers.late
    import diffusers.more
    import diffusers.work  # noqa: F401


def live(target):
    """Whose function a target is now: the first word of what it returns; None while its module is not imported."""
    module, _, path = target.partition(":")
    found = sys.modules.get(module)
    if found is None:
        return None
    for part in path.split("."):
        found = getattr(found() if isinstance(found, type) else found, part)
    return found(*TARGETS[target])[0]


def probe():
    """What the plan says, and what is live then: asking for the plan binds what was imported past our finder."""
    import syncfree

    plan = syncfree.plan()
    calls = {target: live(target) for target in TARGETS}
    entries = [
        {
            "hook": e.hook,
            "targets": list(e.targets),
            "choice": e.choice,
            "state": e.state,
            "source": e.source,
            "reason": e.reason,
        }
        for e in plan
        if e.framework == "diffusers"
    ]
    return {"live": calls, "plan": entries, "broken": list(plan.broken), "enabled": plan.enabled}


def write(**facts):
    """Write the facts down; the last thing that a situation does."""
    _FACTS.write(json.dumps(facts, ensure_ascii=True))
    _FACTS.flush()


def imported_and_probed(times=1, **facts):
    """Import the framework (again, if it fails), probe it, and write that down."""
    errors = [caught(import_framework) for _ in range(times)]
    found = {}
    if errors[-1] is None:
        failed = caught(lambda: found.update(probe()))
        facts["probe_error"] = failed
    write(errors=errors, **found, **facts)
