"""Orders of load, use, restore, reload, patches and calls, drawn by hypothesis and held against a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import judging
from .children import run
from .installation import Installation
from .tally import Tally

FAMILY = "orders of load, use, restore, reload and patch"
EXAMPLES = 20
STEPS = 25


@pytest.mark.parametrize("seed", range(6))
def test_the_plan_says_what_is_live_after_every_step(
    seed: int, shared: Installation, folder: Path, tally: Tally, request: pytest.FixtureRequest
) -> None:
    """``site/hostile_orders.py`` has the model; each example is an order of up to `STEPS` steps."""
    examples = EXAMPLES * (20 if request.config.getoption("--sweep") else 1)
    command = ["-m", "hostile_orders", str(examples), str(STEPS), str(seed)]
    ended = run(shared, folder, "", command=command, seconds=3.0 * examples + 60)
    facts = judging.alive(ended)
    assert facts["failure"] is None, str(ended)
    assert facts["examples"] >= examples, facts
    tally.held(examples)
