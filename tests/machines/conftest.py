"""Fixtures of the tests of several machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .machines import Cluster, Machine


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Two machines without processes yet; all end with the test."""
    made = Cluster(tmp_path)
    yield made
    made.end()


@pytest.fixture
def machine() -> Iterator[Machine]:
    """One machine without processes yet; all end with the test."""
    made = Machine("lonely-machine")
    yield made
    made.end()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--many", action="store_true", help="100 toggles of each kind where few are made otherwise")
