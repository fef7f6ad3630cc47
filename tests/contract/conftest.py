"""Ranks for the contract tests, because starting them takes longer than what they are asked; and diffusers, unpacked."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.support.gloo_ranks import GlooRanks, gloo_ranks
from tests.environments import unpacked


@pytest.fixture(scope="session", params=[2, 4], ids=["2 ranks", "4 ranks"])
def ranks(request: pytest.FixtureRequest) -> Iterator[GlooRanks]:
    """Two ranks, and four."""
    with gloo_ranks(request.param) as pool:
        yield pool


@pytest.fixture(scope="module")
def diffusers() -> Iterator[Any]:
    """The newest recorded release of diffusers, of which nothing is bound."""
    from tests.contract.support.scheduler_requests import RELEASE

    folder = str(unpacked("diffusers", RELEASE))
    sys.path.insert(0, folder)
    yield importlib.import_module("diffusers")
    sys.path.remove(folder)
