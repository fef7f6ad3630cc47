"""Fixtures of the tests of control."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .jobs import Job


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """A job without processes yet; they end with the test."""
    made = Job(tmp_path)
    yield made
    made.end()
