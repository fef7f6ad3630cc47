"""N-gram speculation, fast prefill and a cross-encoder in real engines: the same whichever choice, and proof of which ran."""

from __future__ import annotations

from pathlib import Path

from . import run


def test_speculation_fast_prefill_and_scores_are_the_same_with_ours_and_with_upstreams(tmp_path: Path) -> None:
    explicit = {f"SYNCFREE_{hook.upper()}": "sync_free" for hook in run.FEATURES}
    answer = run.features(tmp_path, run.NEWEST, **explicit)
    run.check_features(answer, "upstreamed")
