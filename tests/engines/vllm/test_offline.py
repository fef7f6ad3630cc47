"""A tiny Llama in real vLLM engines: the same tokens, logprobs and ranks, whichever choice, and proof of which one ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from . import run

HOOK = "sampler_logprob_gather"
TARGET = "vllm.v1.sample.sampler:Sampler.gather_specific_token_logprobs"
BAD_WORDS = "vllm.v1.sample.ops.bad_words:apply_bad_words"
PENALTIES = "vllm.v1.sample.ops.penalties:_convert_to_tensors"
PROMPT = "vllm.v1.worker.gpu_model_runner:GPUModelRunner._get_prompt_logprobs_dict"
ONE_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
EXPLICIT = {"SYNCFREE_SAMPLER_LOGPROB_GATHER": "sync_free", "SYNCFREE_BAD_WORDS_MASK": "sync_free"}


@pytest.fixture(scope="module")
def off(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run.generate(tmp_path_factory.mktemp("off"), run.NEWEST, SYNCFREE="off")


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("one")
    return run.generate(folder, run.NEWEST, "sync_free", "upstream", **ONE_PROCESS, **EXPLICIT)


@pytest.fixture(scope="module")
def three_processes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run.generate(tmp_path_factory.mktemp("three"), run.NEWEST, "sync_free", "upstream", **EXPLICIT)


def test_switched_off_nothing_is_loaded_and_the_requests_get_what_they_ask_for(off: dict[str, Any]) -> None:
    (report,) = off["workers"]
    assert report["plan"]["enabled"] is False
    assert report["plan"]["bindings"] == []
    first, _, _, last, without_bad_words, _ = off["generated"]["as started"]
    assert len(first["tokens"]) == 6
    for token, step in zip(first["tokens"], first["logprobs"], strict=True):
        assert {token, 5, 7, 11, 300} == {asked for asked, _, _ in step}
    assert {2, 9} <= {asked for asked, _, _ in last["logprobs"][0]}
    nothing_before_the_first, *positions = last["prompt"]
    assert nothing_before_the_first == []
    assert positions
    assert all(2 <= len(position) <= 3 for position in positions)
    assert len(without_bad_words["tokens"]) == 7


@pytest.mark.parametrize("processes", ["one_process", "three_processes"])
@pytest.mark.parametrize("choice", ["sync_free", "upstream", "switched"])
def test_generates_the_same_as_switched_off(
    processes: str, choice: str, off: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    assert request.getfixturevalue(processes)["generated"][choice] == off["generated"]["as started"]


@pytest.mark.parametrize("processes", ["one_process", "three_processes"])
def test_counters_prove_that_both_choices_ran_in_the_worker(processes: str, request: pytest.FixtureRequest) -> None:
    answer = request.getfixturevalue(processes)
    (report,) = answer["workers"]
    assert (report["pid"] == answer["pid"]) is (processes == "one_process")
    found = run.binding(report, HOOK)
    assert (found["verdict"], found["state"]) == ("upstreamed", "bound")
    steps = 8  # of the longest request
    counts = found["counts"][TARGET]
    assert counts["sync_free"]["calls"] >= steps
    assert counts["upstream"]["calls"] >= steps
    assert counts["sync_free"]["declines"] == 0
    prompts = run.binding(report, "prompt_logprobs")["counts"][PROMPT]
    assert prompts["sync_free"]["calls"] > prompts["sync_free"]["declines"]
    assert prompts["upstream"]["calls"] > 0
    for target in (BAD_WORDS, PENALTIES):
        (of_target,) = (entry["counts"][target] for entry in report["plan"]["bindings"] if target in entry["counts"])
        assert min(of_target[choice]["calls"] for choice in ("sync_free", "upstream")) >= 7


@pytest.mark.parametrize("processes", ["one_process", "three_processes"])
def test_nobody_keeps_a_copy_of_the_original(processes: str, request: pytest.FixtureRequest) -> None:
    (report,) = request.getfixturevalue(processes)["workers"]
    assert TARGET in report["copies"]
    assert not any(report["copies"].values()), report["copies"]


def test_every_process_with_a_log_says_what_was_bound(three_processes: dict[str, Any]) -> None:
    lines = [line for line in three_processes["log"].splitlines() if "] syncfree " in line]
    assert {line.split(" pid=")[0].lstrip("(") for line in lines} >= {"EngineCore", "VllmWorker-0"}


def test_a_hybrid_that_stalls_is_bound_by_default_and_generates_the_same(tmp_path: Path) -> None:
    """The session `vllm_all` has all of them, and more of each."""
    answer = run.generate(tmp_path, "0.20.2", "default", "upstream", **ONE_PROCESS)
    run.check_hybrid(answer, "0.20.2")
