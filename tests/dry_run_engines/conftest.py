"""Options of these tests."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what writes the records that docs/waits.md is made of."""
    parser.addoption("--record", action="store_true", help="keep what was counted for docs/waits.md")
