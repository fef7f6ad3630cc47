"""`vllm serve` with a tiny Llama: completions with `logprob_token_ids`, the choice switched in the running server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from syncfree.control._client import find
from syncfree.control._toggle import toggle
from syncfree.measuring._comparison import read_comparison

from . import run
from .server import Server, command, free_port, served

HOOK = "sampler_logprob_gather"
TARGET = "vllm.v1.sample.sampler:Sampler.gather_specific_token_logprobs"
SECRET = "the-key-of-this-test"
KEY = {"Authorization": f"Bearer {SECRET}"}
OVER_HTTP = "/v1/syncfree"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ["--api-key", SECRET, "--middleware", "syncfree.control.http.HookControl"]
    with served(tmp_path_factory.mktemp("server"), *options, headers=KEY, SYNCFREE_METRICS="on") as started:
        yield started


def counts(server: Server) -> dict[str, int]:
    """Calls by choice in the worker process."""
    (report,) = server.in_workers("syncfree_report")
    (entry,) = (entry for entry in report["plan"]["bindings"] if entry["hook"] == HOOK)
    return {choice: count["calls"] for choice, count in entry["counts"][TARGET].items()}


def doctor(address: str, *options: str) -> subprocess.CompletedProcess[str]:
    return command("doctor", "--server", address, *options)


def test_doctor_shows_the_plan_and_the_counters_of_the_worker(server: Server) -> None:
    server.complete()
    found = doctor(server.address, "--json")
    assert found.returncode == 0, found.stderr
    (process,) = json.loads(found.stdout)["processes"]
    (report,) = server.in_workers("syncfree_report")
    assert (process["pid"], process["manifest"]) == (report["pid"], report["plan"]["manifest"])
    assert process["rank"] == {"index": 0, "size": 1}
    (entry,) = (entry for entry in process["bindings"] if entry["hook"] == HOOK)
    assert entry["counts"][TARGET]["sync_free"]["calls"] >= 6
    text = doctor(server.address.removeprefix("http://")).stdout
    assert f"rank 0 of 1, pid {report['pid']} on " in text
    assert HOOK in text


def test_a_server_that_cannot_be_asked_is_a_sentence_and_status_2(server: Server) -> None:
    for address, why in {
        f"http://127.0.0.1:{free_port()}": "no vLLM server answers at",
        f"{server.address}/elsewhere": "has no /collective_rpc: start vLLM with VLLM_SERVER_DEV_MODE=1",
    }.items():
        found = doctor(address)
        assert found.returncode == 2
        assert why in found.stderr
        assert "Traceback" not in found.stderr


def test_a_method_that_no_worker_has_is_an_error_and_the_server_goes_on(server: Server) -> None:
    """Return what `doctor` gets from a server without syncfree."""
    with pytest.raises(urllib.error.HTTPError) as error:
        server.in_workers("syncfree_nothing")
    error.value.close()
    assert error.value.code == 500
    assert server.complete()


def test_completions_are_the_same_before_and_after_a_switch_in_the_running_server(server: Server) -> None:
    with_ours = server.complete()
    assert counts(server)["sync_free"] >= 6
    assert server.in_workers("syncfree_use", HOOK, "upstream") == [""]
    assert server.complete() == with_ours
    assert counts(server)["upstream"] >= 6
    (_, logprobs), _ = with_ours
    assert len(logprobs["top_logprobs"][0]) >= 3


def test_a_wrong_switch_is_answered_with_the_nearest_name_and_changes_nothing(server: Server) -> None:
    before = counts(server)
    (message,) = server.in_workers("syncfree_use", HOOK, "sync_fre")
    assert "did you mean 'sync_free'" in message
    assert counts(server) == before


def test_ps_shows_the_processes_of_the_server_as_one_job(server: Server) -> None:
    server.complete()
    found = command("ps", "--json", SYNCFREE_CONTROL=str(server.run_directory))
    assert found.returncode == 0, found.stderr
    (job,) = json.loads(found.stdout)["jobs"]
    (report,) = server.in_workers("syncfree_report")
    assert report["pid"] in {process["pid"] for process in job["processes"]}
    assert len(job["processes"]) >= 2
    assert {process["health"] for process in job["processes"]} == {"ok"}


def test_the_metrics_of_the_server_have_the_calls_of_its_worker(server: Server) -> None:
    """vLLM's own endpoint, of a process that makes no call itself; nothing else is set."""
    server.complete()
    (report,) = server.in_workers("syncfree_report")
    text = server.text("/metrics")
    labels = f'(?=.*process="{report["pid"]}")(?=.*hook="{HOOK}")(?=.*choice="sync_free")'
    (calls,) = re.findall(rf"^syncfree_calls_total{{{labels}.*}} (\S+)$", text, re.MULTILINE)
    assert float(calls) >= 6
    assert "vllm:request_success_total" in text


def test_toggles_while_requests_run_change_no_answer(server: Server, request: pytest.FixtureRequest) -> None:
    """Every process of the server switches or none does, no request fails, and each answer is that of before."""
    variables = {"SYNCFREE_CONTROL": str(server.run_directory)}
    expected = server.complete()
    before = counts(server)
    wrong: list[Any] = []
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            try:
                answer = server.complete()
            except (OSError, ValueError) as error:
                wrong.append(error)
            else:
                wrong.extend([answer] if answer != expected else [])

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for choice in islice(cycle(["upstream", "sync_free"]), 200 if request.config.getoption("--sweep") else 20):
            outcome = toggle(find(variables).entries, {HOOK: choice}, 20.0)
            assert outcome.switched, outcome
            time.sleep(0.1)
        ended = command("toggle", "--reset", "--timeout", "20", **variables)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
    assert wrong == []
    after = counts(server)
    assert all(after[choice] > before.get(choice, 0) for choice in ("upstream", "sync_free"))


def test_a_running_server_is_compared_under_load_and_goes_on_with_its_choice(server: Server, tmp_path: Path) -> None:
    variables = {"SYNCFREE_CONTROL": str(server.run_directory)}
    (job,) = {entry.job for entry in find(variables).entries}
    expected, file = server.complete(), tmp_path / "comparison.json"
    (before,) = server.in_workers("syncfree_report")
    load = f"{sys.executable} {Path(__file__).with_name('programs') / 'completions.py'} {server.address} --threads 2 --key {SECRET}"
    options = ["--rounds", "8", "--equal-rounds", "1", "--block-ms", "100", "--settle-ms", "20", "--budget", "300", "--precision", "0.01"]
    options += ["--job", job, "--load", load, "--json", str(file)]
    done = command("ab", HOOK, "upstream", "sync_free", *options, timeout=500, **variables)
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: this busy machine drifted
    parts = {part.name.rpartition(", ")[2]: part for part in read_comparison(file).parts}
    assert set(parts) == {TARGET, "the load", "this machine"}
    assert len(parts[TARGET].rounds) == 8
    assert all(block["request"] > 0 for each in parts["the load"].rounds for block in (*each.a, *each.b))
    assert server.complete() == expected
    (after,) = server.in_workers("syncfree_report")
    assert run.binding(after, HOOK)["choice"] == run.binding(before, HOOK)["choice"]


def test_hooks_are_listed_and_switched_over_http_by_who_has_the_server_s_key(server: Server) -> None:
    before = server.complete()
    listed = server.get(OVER_HTTP)["processes"]
    assert {entry.pid for entry in find({"SYNCFREE_CONTROL": str(server.run_directory)}).entries} == {of["pid"] for of in listed}
    for choice in ("upstream", "sync_free"):
        found = server.post(OVER_HTTP, choices={HOOK: choice}, seconds=30)
        assert (found["switched"], found["problems"]) == (True, [])
        counted = counts(server).get(choice, 0)
        assert server.complete() == before
        assert counts(server)[choice] > counted
    assert server.post(OVER_HTTP, choices=None, seconds=30)["switched"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_who_does_not_have_the_server_s_key_gets_its_own_answer(server: Server, headers: dict[str, str]) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.get(OVER_HTTP, headers)
    assert refused.value.code == 401
    refused.value.close()
