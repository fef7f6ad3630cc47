"""``SYNCFREE_METRICS``: what Prometheus gets of real processes, at an address and through prometheus_client's own ways."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from syncfree import SelectionError
from syncfree._select import read_selection
from syncfree.hooks import HOOKS
from syncfree.metrics import _settings
from syncfree.metrics._samples import METRICS, samples
from syncfree.metrics._settings import MetricsSettings, parse_metrics
from tests.environments import load, overlay, wheel

from .jobs import ROOT, Job, eventually

HOOK = "postprocess"
COLLECTED = """
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


@pytest.fixture(scope="module")
def python() -> str:
    """An interpreter with our wheel and the prometheus_client that vLLM's environment has."""
    (pin,) = (line for line in load("vllm-0.32.0").lock.read_text().splitlines() if line.startswith("prometheus-client=="))
    return str(overlay("dev", wheel(), pin))


@pytest.fixture
def measured(job: Job, python: str) -> Job:
    job.python = python
    return job


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def calls(text: str) -> dict[int, float]:
    """Calls of the hook by process, over all choices."""
    found: dict[int, float] = {}
    for labels, value in re.findall(r"^syncfree_calls_total\{(.*)\} (\S+)$", text, re.MULTILINE):
        process = int(re.search(r'process="(\d+)"', labels)[1])  # type: ignore[index]
        if f'hook="{HOOK}"' in labels:
            found[process] = found.get(process, 0) + float(value)
    return found


def chosen(text: str) -> set[str]:
    """The choices of the hook with the value 1."""
    return set(re.findall(rf'^syncfree_choice\{{(?=.*hook="{HOOK}").*choice="(\w+)".*\}} 1\.0$', text, re.MULTILINE))


def over_tcp(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def over_socket(path: Path) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        try:
            connection.connect(str(path))
        except OSError:
            return ""
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        parts = []
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts).decode()


def both_serve(job: Job, scrape: Callable[[], str], where: str) -> None:
    """Each process of the job is in what is served, also after the process that serves has ended."""
    members = [job.start("--threads", "1", SYNCFREE_METRICS=where) for _ in range(2)]
    for member in members:
        member.told()
    pids = {member.pid for member in members}
    found = eventually(lambda: text if calls(text := scrape()).keys() >= pids and min(calls(text).values()) > 0 else "")
    assert chosen(found) == {"first"}
    assert job.toggle(postprocess="second").switched
    eventually(lambda: chosen(scrape()) == {"second"})
    members[0].end()
    eventually(lambda: calls(scrape()).keys() == {members[1].pid}, 60.0)


def test_the_job_is_served_at_a_port_also_when_a_process_has_ended(measured: Job) -> None:
    port = free_port()
    both_serve(measured, lambda: over_tcp(port), str(port))


def test_the_job_is_served_at_a_socket_also_when_a_process_has_ended(measured: Job, tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    both_serve(measured, lambda: over_socket(path), str(path))


def test_each_process_writes_into_the_folder_of_the_multiprocess_mode(measured: Job, python: str, tmp_path: Path) -> None:
    variables = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "prometheus")}
    Path(variables["PROMETHEUS_MULTIPROC_DIR"]).mkdir()
    members = [measured.start("--threads", "1", SYNCFREE_METRICS="on", **variables) for _ in range(2)]
    for member in members:
        member.told()

    def collected() -> str:
        command = [python, "-c", COLLECTED]
        return subprocess.run(command, env={**measured.environment, **variables}, capture_output=True, text=True, check=True).stdout

    first = calls(eventually(lambda: text if calls(text := collected()).keys() == {m.pid for m in members} else ""))
    eventually(lambda: all(number > first[pid] for pid, number in calls(collected()).items()))
    assert measured.toggle(postprocess="second").switched
    eventually(lambda: chosen(collected()) == {"second"})
    told = members[0].ask("report")["counts"][HOOK]
    eventually(lambda: calls(collected())[members[0].pid] >= sum(told.values()))  # written once a second


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("off", None),
        ("on", MetricsSettings()),
        ("9400", MetricsSettings("127.0.0.1", 9400)),
        ("0.0.0.0:9400", MetricsSettings("0.0.0.0", 9400)),
        ("[::1]:9400", MetricsSettings("::1", 9400)),
        ("/run/syncfree/metrics.sock", MetricsSettings(socket="/run/syncfree/metrics.sock")),
    ],
)
def test_the_variable_says_where_metrics_go(text: str, expected: MetricsSettings | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_settings, "find_spec", lambda name: object())
    assert parse_metrics(text, "SYNCFREE_METRICS") == (expected, [])


@pytest.mark.parametrize("text", ["yes please", "70000", "host:", "relative/path"])
def test_another_value_is_an_error_at_load(text: str) -> None:
    with pytest.raises(SelectionError, match="is none of on, off, a port, an address"):
        read_selection({"SYNCFREE_METRICS": text}, HOOKS)


def test_a_missing_client_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_settings, "find_spec", lambda name: None)
    with pytest.raises(SelectionError, match="needs prometheus_client, which is not installed here: pip install prometheus-client"):
        read_selection({"SYNCFREE_METRICS": "on"}, HOOKS)


def test_a_report_with_verification_has_its_counts_and_each_metric_its_labels() -> None:
    binding = {"framework": "made_up", "hook": HOOK, "choice": "first", "state": "bound"}
    counts = {"made_up.work:frames": {"first": {"calls": 5, "declines": 1}}}
    plan = {"rank": {"index": 3}, "loaded": ["made_up"], "bindings": [{**binding, "counts": counts}]}
    verified = {HOOK: {"made_up.work:frames": {"compared": 4, "mismatches": 2, "skipped": 0}}}
    found = list(samples({"job": "one", "pid": 7, "plan": plan, "verified": verified}))
    assert {metric.name: value for metric, _, value in found} == {
        "syncfree_calls": 5,
        "syncfree_declines": 1,
        "syncfree_choice": 1,
        "syncfree_verified_calls": 4,
        "syncfree_mismatches": 2,
    }
    assert {metric for metric, _, _ in found} == set(METRICS)
    for metric, labels, _ in found:
        assert len(labels) == len(metric.labels)
        assert labels[:3] == ("one", "7", "3")


def test_the_dashboard_asks_for_metrics_and_labels_that_exist() -> None:
    known = {metric.name + ("_total" if metric.kind == "counter" else ""): metric for metric in METRICS}
    dashboard = json.loads((ROOT / "docs" / "metrics-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) == len(dashboard["panels"]) > 0
    for query in queries:
        (name,) = re.findall(r"\bsyncfree_(?!job)\w+", query)
        labels = [*re.findall(r"(\w+)=~", query), *(label for by in re.findall(r"by \(([^)]*)\)", query) for label in by.split(", "))]
        assert set(labels) <= set(known[name].labels), query
