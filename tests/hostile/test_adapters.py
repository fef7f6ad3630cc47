"""Third-party adapters that are malformed, beside a framework that has nothing to do with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import judging
from .adapter_modules import ADAPTERS, Malformed
from .children import run
from .installation import Installation
from .tally import Tally

FAMILY = "malformed adapters"
PROGRAM = """
import sys, hostile_child
caught = hostile_child.caught
import diffusers.work, syncfree
loads = caught(lambda: syncfree.load("gadget"))
imports = caught(lambda: __import__("gadget.work"))
calls = caught(lambda: sys.modules["gadget.work"].progress("x", 3))
plans = caught(lambda: syncfree.plan().as_dict())
hostile_child.imported_and_probed(loads=loads, after=[imports, calls, plans])
"""


@pytest.fixture
def environment(private: Installation) -> Installation:
    """With a framework called gadget, which the malformed adapter is for."""
    private.distribution("hostile-adapter", {"syncfree.adapters": ["gadget = gadget_adapter:ADAPTER"]})
    private.distribution("gadget", {}, "9.1")
    source = (private.site / "diffusers" / "work.py").read_text()
    private.add({"gadget/__init__.py": "", "gadget/work.py": source, "raising_home/__init__.py": "raise SystemExit(3)"})
    return private


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_a_malformed_adapter_is_left_out_and_other_frameworks_work(
    adapter: Malformed, environment: Installation, folder: Path, tally: Tally
) -> None:
    environment.add({"gadget_adapter/__init__.py": adapter.source})
    ended = run(environment, folder, PROGRAM)
    facts = judging.imported(ended)
    judging.by_default(facts)
    assert ended.code == 0, str(ended)
    assert facts["after"] == [None, None, None], facts["after"]
    if facts["broken"]:
        tally.refused(judging.left_out(facts, "gadget", "hostile-adapter 1.0"))
    elif facts["loads"] is not None:
        tally.refused(judging.refused(facts["loads"], "gadget"))
    else:
        tally.held()  # odd, and without harm: it loads, and its framework can be imported and called
