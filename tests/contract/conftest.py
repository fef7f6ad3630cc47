"""Ranks for the contract tests: starting them takes longer than what they are asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.support.gloo_ranks import GlooRanks, gloo_ranks


@pytest.fixture(scope="session", params=[2, 4], ids=["2 ranks", "4 ranks"])
def ranks(request: pytest.FixtureRequest) -> Iterator[GlooRanks]:
    """Two ranks, and four."""
    with gloo_ranks(request.param) as pool:
        yield pool
