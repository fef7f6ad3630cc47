"""Patches of somebody else at a place that we bind: whatever kind they are of, and whenever they come."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import judging
from .children import run
from .installation import Installation
from .snippets import snippets
from .tally import Tally

FAMILY = "patches of somebody else"
HEAD = "import functools, hostile_child, sys, types, unittest.mock, wrapt, syncfree, diffusers.work, diffusers.more, diffusers.late\n"
KINDS = snippets("patches")
PLACES = {
    "a function": ("diffusers.work", "progress", "{}"),
    "a method": ("diffusers.more.Sampler", "gather", "{}"),
    "a static method": ("diffusers.late.Pipe", "finish", "staticmethod({})"),
    "a class method": ("diffusers.late.Pipe", "made", "classmethod({})"),
}
MAKE = """
owner, name = {owner}, {name!r}
raw = vars(owner)[name]
original = getattr(raw, "__func__", raw)
{patch}
def put(): setattr(owner, name, {wrap})
"""
BEFORE = "put()\nerror = hostile_child.caught(lambda: syncfree.load('diffusers'))\n"
USED = """
put()
syncfree.load("diffusers")
before = hostile_child.probe()
use = lambda: syncfree.use(progress_reporting="acme", postprocess="other")
error, error2 = hostile_child.caught(use), hostile_child.caught(use)
after = hostile_child.probe()
assert before["live"] == after["live"], (before, after)
assert before["plan"] == after["plan"], (before, after)
"""
FACTS = "found = hostile_child.probe()\nhostile_child.write(errors=[None], load=error, **found)"


def program(kind: str, place: str, rest: str) -> str:
    """A program with a patch of one kind for one place, and what is done with it."""
    owner, name, wrap = PLACES[place]
    return HEAD + MAKE.format(owner=owner, name=name, patch=KINDS[kind], wrap=wrap.format("patch")) + rest


WITHOUT_FINDER = "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if type(f).__module__ != '_syncfree_site']\n"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_patch_that_was_there_before_us_is_refused_with_its_name(
    kind: str, place: str, shared: Installation, folder: Path, tally: Tally
) -> None:
    ended = run(shared, folder, WITHOUT_FINDER + program(kind, place, BEFORE + FACTS))
    facts = judging.imported(ended)
    assert facts["load"] is None, facts["load"]
    target = next(t for t in facts["live"] if t.endswith(PLACES[place][1]))
    assert facts["live"][target] == "foreign", facts["live"]
    (entry,) = (entry for entry in facts["plan"] if target in entry["targets"])
    assert entry["state"] == "refused", entry
    tally.refused(judging.sentence(entry["reason"], target))


@pytest.mark.parametrize("choose", ["environment", "program"])
@pytest.mark.parametrize("kind", [*KINDS][:6])
def test_an_explicit_choice_at_a_patched_place_is_an_error_and_changes_nothing(
    kind: str, choose: str, shared: Installation, folder: Path, tally: Tally
) -> None:
    if choose == "environment":
        rest = BEFORE + "error2 = hostile_child.caught(lambda: syncfree.load('diffusers'))\n"
    else:
        rest = USED
    rest += "hostile_child.write(errors=[None], load=error, again=error2, **hostile_child.probe())"
    variables = {"SYNCFREE_PROGRESS_REPORTING": "acme"} if choose == "environment" else {}
    facts = judging.imported(run(shared, folder, WITHOUT_FINDER + program(kind, "a function", rest), **variables))
    assert facts["load"] == facts["again"], f"{facts['load']}, then {facts['again']}"
    tally.refused(judging.refused(facts["load"], "progress"))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", [*KINDS][::2])
def test_a_patch_over_ours_is_told_and_left_alone_and_ours_comes_back(
    kind: str, place: str, shared: Installation, folder: Path, tally: Tally
) -> None:
    """Bound, patched over, restored under the patch, unpatched, loaded again: the plan is honest all the way."""
    name = PLACES[place][1]
    rest = """
syncfree.load("diffusers")
steps = [hostile_child.probe()]
ours = vars(owner)[name]
put()
steps.append(hostile_child.probe())
left = syncfree.restore()
steps.append(hostile_child.probe())
setattr(owner, name, ours)  # what the other one had found there
steps.append(hostile_child.probe())
error = hostile_child.caught(lambda: syncfree.load("diffusers"))
steps.append(hostile_child.probe())
hostile_child.write(errors=[None], load=error, steps=steps, left=list(left), **steps[-1])
"""
    ended = run(shared, folder, program(kind, place, rest))
    facts = judging.imported(ended)
    for step in facts["steps"]:
        judging.honest(step)
    target = next(t for t in facts["live"] if t.endswith(name))
    first, patched, restored, unpatched, loaded = (step["live"][target] for step in facts["steps"])
    assert first in judging.OURS, facts["steps"][0]
    assert (patched, restored, unpatched, loaded) == ("foreign", "foreign", "upstream", first), [
        s["live"] for s in facts["steps"]
    ]
    assert facts["load"] is None, facts["load"]
    assert any(target in line for line in facts["left"]), facts["left"]
    tally.held()
