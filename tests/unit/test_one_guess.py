"""Whoever knows a hook's name finds its code and its tests at the first guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncfree.hooks import HOOKS

TESTS = Path(__file__).parents[1] / "contract"


@pytest.mark.parametrize("hook", HOOKS)
def test_contract_tests_of_a_hook_bear_its_name(hook: str) -> None:
    assert list(TESTS.glob(f"test_{hook}*.py"))


def test_what_contract_tests_share_lies_in_a_folder_of_its_own() -> None:
    beside = {file.name for file in TESTS.glob("*.py")} - {"__init__.py", "conftest.py"}
    assert [name for name in sorted(beside) if not name.startswith("test_")] == []
