"""``SYNCFREE_METRICS``: what Prometheus gets of real processes, at an address and through prometheus_client's own ways."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import tempfile
import threading
import urllib.request
from bisect import bisect_left
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest

from syncfree import SelectionError
from syncfree._instruments import Place
from syncfree._select import read_selection
from syncfree._selection import UPSTREAM
from syncfree.hooks import HOOKS
from syncfree.metrics import _settings
from syncfree.metrics._latencies import BOUNDS, Histogram, Latencies
from syncfree.metrics._multiprocess import _observe
from syncfree.metrics._samples import METRICS, samples
from syncfree.metrics._settings import MetricsSettings, parse_metrics
from tests.environments import load, overlay, wheel

from .jobs import ROOT, Job, eventually

HOOK = "postprocess"
PLACE = Place(HOOKS[HOOK], "made_up.work:frames", lambda decoded: decoded, False)
COLLECTED = """
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


LATE = """
import os, sys, time
import syncfree
from syncfree._runtime import RUNTIME
from syncfree.metrics._export import export_metrics
export_metrics(RUNTIME)
assert not any(name.startswith("prometheus_client") for name in sys.modules)
if sys.argv[1:]:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
import prometheus_client.values
deadline = time.monotonic() + 60
while not sys.argv[1:] and "syncfree_calls" not in prometheus_client.generate_latest().decode():
    assert time.monotonic() < deadline, "no metrics in the registry"
    time.sleep(0.1)
print(prometheus_client.values.ValueClass._multiprocess)
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


def timed(text: str) -> dict[tuple[int, str], dict[float, float]]:
    """Calls of the hook that took no longer than each bound in seconds, by process and choice."""
    found: dict[tuple[int, str], dict[float, float]] = {}
    for line, value in re.findall(r"^syncfree_call_seconds_bucket\{(.*)\} (\S+)$", text, re.MULTILINE):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
        if labels["hook"] == HOOK:
            found.setdefault((int(labels["process"]), labels["choice"]), {})[float(labels["le"])] = float(value)
    return found


def timed_seconds(text: str, process: int, choice: str) -> float:
    """The sum of the timed calls of the hook."""
    lines = re.findall(r"^syncfree_call_seconds_sum\{(.*)\} (\S+)$", text, re.MULTILINE)
    asked = {f'process="{process}"', f'choice="{choice}"', f'hook="{HOOK}"'}
    (value,) = (value for labels, value in lines if asked <= set(labels.split(",")))
    return float(value)


def is_a_histogram_of_all_calls(text: str, process: int) -> None:
    """Every call is timed, so that as many are in the histogram as were counted, but those of the moment."""
    (by_bound,) = (by_bound for (pid, choice), by_bound in timed(text).items() if (pid, choice) == (process, "first"))
    assert sorted(by_bound) == [*(bound / 1e9 for bound in BOUNDS), float("inf")]
    numbers = [by_bound[bound] for bound in sorted(by_bound)]
    assert numbers == sorted(numbers)
    assert abs(numbers[-1] - calls(text)[process]) <= 2
    assert 0 < timed_seconds(text, process, "first") < 5 * numbers[-1]


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


def test_the_job_is_served_at_a_socket_also_when_a_process_has_ended(measured: Job) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's folder may be too long for a socket
        path = Path(folder, "metrics.sock")
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


def test_the_times_of_all_calls_are_served_as_a_histogram_for_each_choice(measured: Job) -> None:
    port = free_port()
    member = measured.start("--threads", "1", SYNCFREE_METRICS=str(port), SYNCFREE_METRICS_SAMPLE="1")
    member.told()
    text = eventually(lambda: text if (member.pid, "first") in timed(text := over_tcp(port)) else "")
    is_a_histogram_of_all_calls(text, member.pid)
    assert measured.toggle(postprocess="upstream").switched
    eventually(lambda: (member.pid, "upstream") in timed(over_tcp(port)))
    assert member.ask("report")["wrong"] == []


def test_nothing_is_timed_without_a_share(measured: Job) -> None:
    port = free_port()
    member = measured.start("--threads", "1", SYNCFREE_METRICS=str(port))
    member.told()
    text = eventually(lambda: text if calls(text := over_tcp(port)) else "")
    assert "# TYPE syncfree_call_seconds histogram" in text
    assert timed(text) == {}


def test_the_histogram_is_written_into_the_folder_of_the_multiprocess_mode(measured: Job, python: str, tmp_path: Path) -> None:
    folder = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "prometheus")}
    Path(folder["PROMETHEUS_MULTIPROC_DIR"]).mkdir()
    member = measured.start("--threads", "1", SYNCFREE_METRICS="on", SYNCFREE_METRICS_SAMPLE="1", **folder)
    member.told()

    def collected() -> str:
        command = [python, "-c", COLLECTED]
        return subprocess.run(command, env={**measured.environment, **folder}, capture_output=True, text=True, check=True).stdout

    eventually(lambda: (member.pid, "first") in timed(collected()))
    assert member.ask("stop")["answer"]
    total = member.ask("report")["counts"][HOOK]["first"]
    text = eventually(lambda: text if timed(text := collected())[member.pid, "first"][float("inf")] == total else "")
    is_a_histogram_of_all_calls(text, member.pid)


@pytest.mark.parametrize("multiprocess", [True, False])
def test_the_mode_of_prometheus_client_stays_the_choice_of_the_framework(python: str, tmp_path: Path, multiprocess: bool) -> None:
    """SGLang sets the folder of the multiprocess mode after it has loaded plugins, and before it imports prometheus_client."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SYNCFREE", "PROMETHEUS"))}
    environment |= {"SYNCFREE_METRICS": "on", "SYNCFREE_CONTROL": str(tmp_path / "run")}
    command = [python, "-c", LATE, *([str(tmp_path)] if multiprocess else [])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(multiprocess)]


def test_the_bucket_of_a_gained_call_and_the_sum_survive_the_multiprocess_mode() -> None:
    """One call at a time is what prometheus_client takes: the mean of what a bucket has gained, that many times."""
    before = Histogram.of([(2, 2 * bound) for bound in BOUNDS] + [(1, 2 * BOUNDS[-1])])
    now = Histogram.of([(5, 2 * bound + 3 * (bound - 1)) for bound in BOUNDS] + [(1, 2 * BOUNDS[-1])])

    class Child:
        def __init__(self) -> None:
            self.observed: list[float] = []

        def observe(self, seconds: float) -> None:
            self.observed.append(seconds)

    child = Child()
    _observe(child, now, before)
    bounds = [bound / 1e9 for bound in BOUNDS]
    assert [bisect_left(bounds, seconds) for seconds in child.observed] == [index for index in range(len(BOUNDS)) for _ in range(3)]
    assert sum(child.observed) == pytest.approx(now.seconds - before.seconds)


def test_the_drawn_share_of_the_calls_is_timed_and_declined_calls_are_not() -> None:
    latencies = Latencies(0.25, draw=cycle([0.1, 0.3, 0.6, 0.9]).__next__)
    probe = latencies.at(PLACE)
    assert latencies.at(PLACE) is probe
    around = probe.around_replacement(lambda value: value, None)
    declined = Latencies(1.0).at(PLACE).around_replacement(lambda: NotImplemented, None)
    assert [around(number) for number in range(40)] == list(range(40))
    assert declined() is NotImplemented
    histogram = latencies.results()[PLACE.target][UPSTREAM]
    assert sum(number for number, _ in histogram.buckets) == 10
    assert histogram.seconds > 0


def test_no_timed_call_of_a_thread_is_lost() -> None:
    latencies = Latencies(1.0)
    around = latencies.at(PLACE).around_replacement(lambda: None, None)
    together = threading.Barrier(4)

    def run() -> None:
        together.wait()
        for _ in range(2000):
            around()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(number for number, _ in latencies.results()[PLACE.target][UPSTREAM].buckets) == 8000


def test_timing_leaves_the_random_numbers_of_the_program_alone() -> None:
    around = Latencies(0.5).at(PLACE).around_replacement(lambda: None, None)
    random.seed(3)
    expected = random.random()
    random.seed(3)
    around()
    assert random.random() == expected


def test_the_share_of_the_variable_comes_before_that_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_settings, "find_spec", lambda name: object())
    path = tmp_path / "syncfree.toml"
    path.write_text("metrics_sample = 0.5\n")
    environment = {"SYNCFREE_CONFIG": str(path), "SYNCFREE_METRICS": "on"}
    assert read_selection(environment, HOOKS).metrics_sample == 0.5
    assert read_selection({**environment, "SYNCFREE_METRICS_SAMPLE": "0.01"}, HOOKS).metrics_sample == 0.01
    assert read_selection({**environment, "SYNCFREE_METRICS_SAMPLE": "0"}, HOOKS).metrics_sample == 0
    assert read_selection({"SYNCFREE_METRICS": "on"}, HOOKS).metrics_sample == 0


@pytest.mark.parametrize("text", ["a lot", "1.5", "-0.1", "nan"])
def test_another_share_is_an_error_at_load(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_settings, "find_spec", lambda name: object())
    with pytest.raises(SelectionError, match=f"SYNCFREE_METRICS_SAMPLE='{text}' is not a number from 0 to 1"):
        read_selection({"SYNCFREE_METRICS": "on", "SYNCFREE_METRICS_SAMPLE": text}, HOOKS)


@pytest.mark.parametrize(("text", "why"), [("2", "is not a number from 0 to 1"), ("true", "must be a number, not a boolean")])
def test_another_share_in_the_file_is_an_error_at_load(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "syncfree.toml"
    path.write_text(f"metrics_sample = {text}\n")
    with pytest.raises(SelectionError, match=f"metrics_sample {why}"):
        read_selection({"SYNCFREE_CONFIG": str(path)}, HOOKS)


def test_a_share_without_metrics_is_an_error_at_load() -> None:
    with pytest.raises(SelectionError, match="SYNCFREE_METRICS_SAMPLE needs SYNCFREE_METRICS"):
        read_selection({"SYNCFREE_METRICS_SAMPLE": "0.01"}, HOOKS)


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


def test_a_socket_whose_path_the_kernel_does_not_take_is_an_error_at_load() -> None:
    with pytest.raises(SelectionError, match="the path of a socket has up to 107 bytes, and this one 108; name a shorter one, or a port"):
        read_selection({"SYNCFREE_METRICS": "/" + "a" * 107}, HOOKS)


def test_a_missing_client_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_settings, "find_spec", lambda name: None)
    with pytest.raises(SelectionError, match="needs prometheus_client, which is not installed here: pip install prometheus-client"):
        read_selection({"SYNCFREE_METRICS": "on"}, HOOKS)


def test_a_report_with_verification_has_its_counts_and_each_metric_its_labels() -> None:
    binding = {"framework": "made_up", "hook": HOOK, "choice": "first", "state": "bound"}
    counts = {"made_up.work:frames": {"first": {"calls": 5, "declines": 1}}}
    plan = {"rank": {"index": 3}, "loaded": ["made_up"], "bindings": [{**binding, "counts": counts}]}
    verified = {HOOK: {"made_up.work:frames": {"compared": 4, "mismatches": 2, "skipped": 0}}}
    buckets = [[2, 3000]] + [[0, 0]] * len(BOUNDS)
    latencies = {HOOK: {"made_up.work:frames": {"first": buckets}}}
    found = list(samples({"job": "one", "pid": 7, "plan": plan, "verified": verified, "latencies": latencies}))
    assert {metric.name: value for metric, _, value in found} == {
        "syncfree_call_seconds": Histogram.of(buckets),
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
    ends = {"counter": "_total", "gauge": "", "histogram": "_bucket"}
    known = {metric.name + ends[metric.kind]: metric for metric in METRICS}
    dashboard = json.loads((ROOT / "docs" / "metrics-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert all(panel["targets"] for panel in dashboard["panels"])
    shown = {name for query in queries for name in re.findall(r"\bsyncfree_(?!job)\w+", query)}
    assert shown == known.keys() - {"syncfree_verified_calls_total"}
    for query in queries:
        (name,) = re.findall(r"\bsyncfree_(?!job)\w+", query)
        labels = [*re.findall(r"(\w+)=~", query), *(label for by in re.findall(r"by \(([^)]*)\)", query) for label in by.split(", "))]
        assert set(labels) - ({"le"} if known[name].kind == "histogram" else set()) <= set(known[name].labels), query
