"""Two data-parallel ranks of a tiny mixture of experts: `dp_all_reduce` by each plugin and by upstream, switched on both together.

With ``--sweep`` on Model Runner V2, too, its kernels in the Triton interpreter.
"""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from . import run

CHOICES = ("shm_mailbox", "sync_free", "upstream")
SIZE = 2


@dataclass(frozen=True)
class Runner:
    """A model runner: what is bound in it, and what it takes to run it on a CPU."""

    targets: tuple[str, ...]
    variables: dict[str, str]
    installs: tuple[str | Path, ...]


V1 = Runner(("vllm.v1.worker.dp_utils:_run_ar", "vllm.v1.worker.dp_utils:_synchronize_dp_ranks"), {}, ())
V2 = Runner(("vllm.v1.worker.gpu.dp_utils:sync_cudagraph_and_dp_padding",), run.V2, run.V2_INSTALLS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "runner" in metafunc.fixturenames:
        runners = {"V1": V1, "V2": V2} if metafunc.config.getoption("--sweep") else {"V1": V1}
        metafunc.parametrize("runner", runners.values(), ids=runners, scope="module")


def start(folder: Path, choices: list[str], runner: Runner = V1) -> list[tuple[subprocess.Popen[bytes], Path]]:
    """Start one rank for each choice; return them with their logs."""
    python, model = run.python(run.NEWEST, *runner.installs, run.HERE / "dp_shim"), run.model("qwen3moe")
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
            **runner.variables,
        )
        started.append((process, log))
    return started


@pytest.fixture(scope="module")
def ranks(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    started = start(folder, ["shm_mailbox"] * SIZE, runner)
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


def test_counters_prove_that_every_choice_ran_on_every_rank(runner: Runner, ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        (report,) = rank["workers"]
        entry = run.binding(report, "dp_all_reduce", runner.targets[0])
        assert entry["state"] == "bound"
        for target in runner.targets:
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
