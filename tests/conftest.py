"""Fixtures and options of every test of the project."""

from __future__ import annotations

import pytest
from hypothesis import settings

# No deadline: on a busy machine one example can take a second for no reason of its own.
settings.register_profile("syncfree", deadline=None)
settings.load_profile("syncfree")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the nox session `sweep` asks for."""
    parser.addoption(
        "--sweep", action="store_true", help="more releases and combinations, where a test takes a sample of them"
    )
