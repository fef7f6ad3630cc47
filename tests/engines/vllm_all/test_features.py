"""N-gram speculation, fast prefill and a cross-encoder in real engines: the same whichever choice, and proof of which ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.vllm import run


@pytest.mark.parametrize("kind", list(run.FEATURES))
def test_ours_and_upstreams_give_the_same(kind: str, tmp_path: Path) -> None:
    run.check_features(tmp_path, kind, **{f"SYNCFREE_{hook.upper()}": "sync_free" for hook in run.FEATURES[kind]})
