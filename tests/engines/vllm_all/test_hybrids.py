"""Other releases of vLLM as hybrids: their own Python with the C extensions of 0.28.0, or those of 0.32.0 for a newer release.

They are bound by default where they stall.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.vllm import run
from tests.engines.vllm.test_activation import activated

ONE_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
STALLING = ("0.20.2", "0.21.0")
FIXED = "0.22.0"
NEWER = "0.33.0"
V1 = {**ONE_PROCESS, "VLLM_USE_V2_MODEL_RUNNER": "0"}


@pytest.mark.parametrize("version", STALLING)
def test_by_default_ours_generate_what_upstreams_do(version: str, tmp_path: Path) -> None:
    run.check_hybrid(run.generate(tmp_path, version, "default", "upstream", **ONE_PROCESS), version)


def test_the_release_with_the_fix_generates_the_same_with_ours_named(tmp_path: Path) -> None:
    explicit = {"SYNCFREE_SAMPLER_LOGPROB_GATHER": "sync_free", "SYNCFREE_BAD_WORDS_MASK": "sync_free"}
    answer = run.generate(tmp_path, FIXED, "sync_free", "upstream", **ONE_PROCESS, **explicit)
    run.check_hybrid(answer, FIXED, verdict="upstreamed")


def test_a_newer_release_generates_the_same_with_ours_named_and_by_default(tmp_path: Path) -> None:
    """`prompt_logprobs` and `output_token_matrix` are bound by default there."""
    explicit = {"SYNCFREE_SAMPLER_LOGPROB_GATHER": "sync_free", "SYNCFREE_BAD_WORDS_MASK": "sync_free"}
    answer = run.generate(tmp_path, NEWER, "sync_free", "upstream", **V1, **explicit)
    run.check_hybrid(answer, NEWER, verdict="upstreamed")
    (report,) = answer["workers"]
    found = run.binding(report, "prompt_logprobs")
    assert (found["verdict"], found["state"]) == ("stalls", "bound")
    (counts,) = found["counts"].values()
    assert counts["sync_free"]["calls"] > 0


@pytest.mark.parametrize("version", [*STALLING, FIXED])
def test_switched_off_the_same_is_generated(version: str, tmp_path: Path) -> None:
    folders = [tmp_path / "on", tmp_path / "off"]
    for folder in folders:
        folder.mkdir()
    on = run.generate(folders[0], version, **ONE_PROCESS)
    off = run.generate(folders[1], version, **ONE_PROCESS, SYNCFREE="off")
    (here,), (there,) = (run.greedy(answer) for answer in (on, off))
    assert here == there


KINDS = [(version, kind) for version in (*STALLING, FIXED, NEWER) for kind in run.FEATURES]
KINDS.remove(("0.20.2", "drafts"))  # its CPU stand-in for a Triton kernel does not take the arguments that it calls it with


@pytest.mark.parametrize(("version", "kind"), KINDS)
def test_speculation_fast_prefill_and_scores_are_the_same(version: str, kind: str, tmp_path: Path) -> None:
    """The releases that stall are bound by default."""
    named = {} if version in STALLING else {f"SYNCFREE_{hook.upper()}": "sync_free" for hook in run.FEATURES[kind]}
    run.check_features(tmp_path, kind, version, **(V1 if version == NEWER else {}), **named)


@pytest.mark.parametrize("version", [*STALLING, FIXED])
def test_our_variables_reach_rays_workers(version: str) -> None:
    assert activated(version, SYNCFREE_DP_ALL_REDUCE="upstream")["copied by Ray"] == ["SYNCFREE_DP_ALL_REDUCE"]
