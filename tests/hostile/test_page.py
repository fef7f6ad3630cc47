"""The page has the families that there are, and the goal was reached."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from docs.__main__ import stale

from .conftest import GOAL
from .tally import RECORD

HERE = Path(__file__).parent


def test_the_page_is_written_from_the_record() -> None:
    assert stale(["docs/hostile.md"]) == [], "run `make docs`"


def test_the_record_has_every_family_and_no_other() -> None:
    modules = [importlib.import_module(f"{__package__}.{file.stem}") for file in HERE.glob("test_*.py")]
    families = {module.FAMILY for module in modules if hasattr(module, "FAMILY")}
    assert set(json.loads(RECORD.read_text())) == families, "run `nox -s hostile_all -- --record`, then `make docs`"


def test_the_goal_was_reached() -> None:
    assert sum(row["tried"] for row in json.loads(RECORD.read_text()).values()) >= GOAL
