"""The page of captures shows what the commands print, in an environment with a real framework and this tree's wheel."""

from __future__ import annotations

import pytest

from docs.captures import COMMANDS, comparable, outputs, recorded


@pytest.fixture(scope="module")
def printed() -> dict[str, str]:
    """Return what each command shows now."""
    return dict(outputs())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_shows_what_the_page_says(command: str, printed: dict[str, str]) -> None:
    assert printed[command].strip()
    assert comparable(command, printed[command]) == comparable(command, recorded()[command]), "run `make captures`"
