"""The table of checks of ``pytest --syncfree-check``: each has its row in the documentation, and its contracts are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from syncfree.hooks import HOOKS
from syncfree.kit._checks import CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "kit.md"


def test_the_documentation_has_a_row_for_every_check_and_no_other() -> None:
    section = PAGE.read_text().partition("## What each check means")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(CHECKS)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_a_check_comes_after_those_that_it_depends_on(check: object) -> None:
    names = list(CHECKS)
    name, after = check.name, check.after  # type: ignore[attr-defined]
    assert all(names.index(other) < names.index(name) for other in after)


@pytest.mark.with_torch
@pytest.mark.parametrize("name", CHECKS)
def test_every_check_is_a_function_of_its_module(name: str) -> None:
    import importlib

    assert callable(getattr(importlib.import_module(f"syncfree.kit.{CHECKS[name].module}"), name))


@pytest.mark.parametrize("name", [name for name, hook in HOOKS.items() if hook.lockstep])
def test_a_lockstep_hook_makes_the_call_of_one_rank(name: str) -> None:
    assert HOOKS[name].on_rank is not None
