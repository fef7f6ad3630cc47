"""Plugins that are broken in every way that a module can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import judging
from .children import run
from .installation import Installation
from .plugin_modules import MODULES, Module
from .tally import Tally

FAMILY = "broken plugins"
PROGRAM = "import hostile_child; hostile_child.imported_and_probed()"
AGAIN = "import hostile_child; hostile_child.imported_and_probed(times=3)"


@pytest.fixture
def environment(private: Installation) -> Installation:
    private.distribution("hostile-plugin", {"syncfree": ["hostile = hostile_plugin"]})
    return private


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_broken_plugin_is_left_out_and_the_framework_works(
    module: Module, environment: Installation, folder: Path, tally: Tally
) -> None:
    environment.add({"hostile_plugin.py": module.source})
    ended = run(environment, folder, PROGRAM)
    facts = judging.imported(ended)
    if module.expected != "either":
        judging.by_default(facts)
    if module.expected == "taken in" or (module.expected == "either" and not facts["broken"]):
        assert facts["broken"] == []
        tally.held()
    else:
        assert "hostile-plugin 1.0" in ended.err or module.expected == "either", ended.err
        tally.refused(judging.left_out(facts, "hostile", "hostile-plugin 1.0"))


@pytest.mark.parametrize("module", [m for m in MODULES if m.expected == "left out"][::5], ids=lambda module: module.name)
def test_choosing_a_broken_plugin_is_refused_at_each_import(
    module: Module, environment: Installation, folder: Path, tally: Tally
) -> None:
    environment.add({"hostile_plugin.py": module.source})
    facts = judging.alive(run(environment, folder, AGAIN, SYNCFREE_DP_ALL_REDUCE="hostile"))
    assert len({error and error["text"] for error in facts["errors"]}) == 1, facts["errors"]
    tally.refused(judging.refused(facts["errors"][0], "hostile"))
