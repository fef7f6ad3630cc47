"""Two data-parallel ranks of a tiny mixture of experts: `dp_all_reduce` by each plugin and by upstream, switched on both together."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from . import run

TARGETS = ("vllm.v1.worker.dp_utils:_run_ar", "vllm.v1.worker.dp_utils:_synchronize_dp_ranks")
CHOICES = ("shm_mailbox", "sync_free", "upstream")
SIZE = 2


def start(folder: Path, choices: list[str]) -> list[tuple[subprocess.Popen[bytes], Path]]:
    """Start one rank for each choice; return them with their logs."""
    python, model = run.python(run.NEWEST, run.HERE / "dp_shim"), run.model("qwen3moe")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    started = []
    for rank, choice in enumerate(choices):
        log = folder / f"{rank}.log"
        process = run.start(
            *(python, "data_parallel", model, folder / f"{rank}.json", rank, len(choices), port),
            log=log,
            SYNCFREE_DP_ALL_REDUCE=choice,
            VLLM_CPU_OMP_THREADS_BIND="nobind",
        )
        started.append((process, log))
    return started


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    started = start(folder, ["shm_mailbox"] * SIZE)
    try:
        for process, log in started:
            run.finish(process, log)
    finally:
        for process, _ in started:
            run.kill(process)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(SIZE)]


def test_all_choices_generate_the_same_tokens_on_every_rank(ranks: list[dict[str, Any]]) -> None:
    assert [sorted(rank["tokens"]) for rank in ranks] == [sorted(CHOICES)] * SIZE
    tokens = {json.dumps(of_one) for rank in ranks for choice in rank["tokens"].values() for of_one in choice}
    assert len(tokens) == 1
    assert len(json.loads(tokens.pop())) == 6


def test_counters_prove_that_every_choice_ran_on_every_rank(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        (report,) = rank["workers"]
        entry = run.binding(report, "dp_all_reduce", TARGETS[0])
        assert entry["state"] == "bound"
        for target in TARGETS:
            assert report["copies"][target] == []
            for choice in CHOICES:
                assert entry["counts"][target][choice]["calls"] >= 6
                assert entry["counts"][target][choice]["declines"] == 0


def test_every_rank_tells_the_plans_of_all(ranks: list[dict[str, Any]]) -> None:
    pids = [report["pid"] for rank in ranks for report in rank["workers"]]
    for rank in ranks:
        assert [told["pid"] for told in rank["told"]] == pids
        assert [told["rank"] for told in rank["told"]] == [{"index": index, "size": SIZE} for index in range(SIZE)]
        assert len({told["manifest"] for told in rank["told"]}) == 1


def test_one_rank_alone_is_not_switched(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        (message,) = rank["alone"]
        assert f"must switch on all {SIZE} ranks" in message
