"""Two ranks of a real engine with different choices of the exchange: refused when they start, where mixed exchanges would hang."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engines.sglang.engine import EXCHANGE, generate

VARIABLE = f"SYNCFREE_{EXCHANGE.upper()}"


@pytest.mark.parametrize("version", ["0.5.20", "0.5.23"])
def test_ranks_that_chose_differently_do_not_start(version: str, tmp_path: Path) -> None:
    first = json.dumps({VARIABLE: "upstream"})
    run = generate(version, tmp_path, PROBE_FIRST_WORKER=first, **{VARIABLE: "packed_all_to_all"})
    assert run.code != 0
    assert run.made == []
    assert f"the ranks differ in {EXCHANGE} at sglang.multimodal_gen." in run.log
    assert "upstream on rank 0 (pid " in run.log
    assert "packed_all_to_all on rank 1 (pid " in run.log
    assert f"give {VARIABLE} and SYNCFREE_CONFIG the same value on every rank" in run.log
