"""``syncfree ab --job``: two choices compared in processes that run already. Asserted is what it did, never how long it took."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from syncfree import SelectionError
from syncfree.measuring._comparison import ComparisonError, read_comparison
from syncfree.measuring._load import Load, parse_pattern

from .jobs import ROOT, Job, eventually

QUICK = ("--rounds", "8", "--equal-rounds", "1", "--block-ms", "20", "--settle-ms", "5", "--precision", "0.01", "--budget", "100")
PRINTS = "import itertools, time\nfor n in itertools.count():\n print('{}', flush=True)\n time.sleep(0.005)"


def prints(line: str) -> str:
    """A load that prints a line every few milliseconds, for ever."""
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(PRINTS.replace('{}', line))}"


def ab(job: Job, *arguments: str) -> subprocess.CompletedProcess[str]:
    return job.command("ab", "postprocess", "upstream", "second", "--job", job.name, *QUICK, *arguments, timeout=200)


def started(job: Job, *arguments: str) -> subprocess.Popen[str]:
    """The command in the background, once it has switched the job for the first time."""
    command = [sys.executable, "-c", "from syncfree.cli import main; main()", "ab", *arguments, "--job", job.name, "--rounds", "10000"]
    process = subprocess.Popen([*command, "--block-ms", "20"], cwd=ROOT, env=job.environment, stderr=subprocess.PIPE, text=True)
    eventually(lambda: all(member.ask("report")["timed"] for member in job.members))
    return process


def told(job: Job) -> list[dict[str, Any]]:
    return [member.ask("report") for member in job.members]


def serving(job: Job, number: int = 2) -> Job:
    for member in [job.start("--threads", "1") for _ in range(number)]:
        member.told()
    return job


def test_a_job_is_compared_under_its_load_and_has_its_own_choice_again(job: Job, tmp_path: Path) -> None:
    serving(job)
    file = tmp_path / "comparison.json"
    done = ab(job, "--load", prints("syncfree rate requests=50"), "--json", str(file))
    assert done.returncode in (0, 1), done.stderr  # 1: this busy machine drifted
    found = read_comparison(file)
    parts = {part.name: part for part in found.parts}
    calls = {f"pid {member.pid}, made_up.work:frames" for member in job.members}
    assert set(parts) == {*calls, "the load", "this machine"}
    for name in calls:
        assert parts[name].rounds  # those rounds in which this process made calls in all blocks
        assert set(parts[name].rounds[0].b[1]) == {"host", "step", "process"}
    assert {block["requests"] for each in parts["the load"].rounds for block in (*each.a, *each.b)} == {1 / 50}
    assert (len(parts["this machine"].equal), len(parts["this machine"].rounds)) == (1, 8)
    assert {name for each in parts["this machine"].rounds for name in each.a[0]} == {"control"}
    assert (found.source["kind"], found.source["job"], found.source["load_runs"]) == ("job", job.name, 1)
    assert "the load: requests: " in done.stdout
    for member in told(job):
        assert (member["choices"]["postprocess"], member["timed"], member["wrong"]) == ("first", [], [])
        assert min(member["counts"]["postprocess"][name] for name in ("upstream", "second")) > 0


def test_a_choice_that_was_toggled_before_is_back_afterwards(job: Job) -> None:
    serving(job, 1)
    assert job.toggle(postprocess="second").switched
    done = job.command("ab", "postprocess", "upstream", "first", "--job", job.name, *QUICK, timeout=200)
    assert done.returncode in (0, 1), done.stderr
    (member,) = told(job)
    assert member["choices"]["postprocess"] == "second"
    assert job.toggle().switched
    assert told(job)[0]["choices"]["postprocess"] == "first"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_ended_leaves_the_job_as_it_was(job: Job, number: signal.Signals, tmp_path: Path) -> None:
    serving(job)
    pid_file = tmp_path / "load"
    process = started(job, "postprocess", "upstream", "second", "--load", f"echo $$ > {pid_file}; exec sleep 600")
    load = int(eventually(lambda: pid_file.exists() and pid_file.read_text().strip()))
    try:
        process.send_signal(number)
        process.communicate(timeout=60)
        eventually(lambda: not any(member["timed"] for member in told(job)))
        assert {member["choices"]["postprocess"] for member in told(job)} == {"first"}
        if number != signal.SIGKILL:
            assert process.returncode == 130
            with pytest.raises(ProcessLookupError):
                os.kill(load, 0)
    finally:
        process.kill()
        if number == signal.SIGKILL:
            os.kill(load, signal.SIGKILL)


def test_ranks_in_lockstep_are_compared_and_no_step_is_wrong(job: Job) -> None:
    job.start_ranks(2, SYNCFREE_DP_ALL_REDUCE="sync_free")
    job.serve()
    done = job.command("ab", "dp_all_reduce", "upstream", "sync_free", "--job", job.name, *QUICK, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    for member in job.stop():
        assert member["answer"] is True
        assert member["wrong"] == []
        assert member["choices"]["dp_all_reduce"] == "sync_free"
        assert member["timed"] == []


def test_ranks_keep_one_choice_when_the_command_is_killed_and_a_reset_takes_it_back(job: Job) -> None:
    job.start_ranks(2, SYNCFREE_DP_ALL_REDUCE="sync_free")
    job.serve()
    process = started(job, "dp_all_reduce", "upstream", "sync_free")
    eventually(lambda: {member["choices"]["dp_all_reduce"] for member in told(job)} == {"upstream"})
    process.kill()
    process.communicate()
    eventually(lambda: not any(member["timed"] for member in told(job)))
    assert len({member["choices"]["dp_all_reduce"] for member in told(job)}) == 1
    assert job.command("toggle", "--reset", "--timeout", "20").returncode == 0
    assert {member["choices"]["dp_all_reduce"] for member in job.stop()} == {"sync_free"}
    assert [member["wrong"] for member in told(job)] == [[], []]


def test_a_job_has_one_comparison_at_a_time(job: Job) -> None:
    serving(job, 1)
    process = started(job, "postprocess", "upstream", "second")
    try:
        second = ab(job)
        assert second.returncode == 2
        assert "another comparison is under way in this process" in second.stderr
        assert told(job)[0]["timed"] == ["postprocess"]
    finally:
        process.kill()
        process.communicate()


REFUSED = {
    ("postprocess", "upstream", "secnd"): "did you mean 'second'",
    ("postprocess", "upstream", "broken"): "no_such_module_at_all",
    ("scheduler_step", "upstream", "sync_free"): "no process of the job has a place for scheduler_step",
    ("postprocess", "first", "first"): "'first' is given twice",
    ("postprocess", "upstream", "second", "--load", "echo no such model; exit 3"): "the load ended with status 3",
    ("postprocess", "upstream", "second", "--load", "sleep 600", "--figure", "rps"): "the load printed no such figure",
    ("postprocess", "upstream", "second", "--load", prints("syncfree rate rps=-1"), "--figure", "rps"): "but 'syncfree rate rps=-1'",
    ("postprocess", "upstream", "second", "--load", "true", "--load-time", "x"): "is not of the form NAME=REGEX",
    ("postprocess", "upstream", "second", "--load-per-block"): "need --load COMMAND",
}


def test_what_cannot_be_compared_says_why_and_changes_nothing(job: Job) -> None:
    serving(job, 1)
    for arguments, message in REFUSED.items():
        done = job.command("ab", *arguments, "--job", job.name, *QUICK, timeout=200)
        assert done.returncode == 2, done.stdout
        assert message in done.stderr
        (member,) = told(job)
        assert (member["choices"]["postprocess"], member["timed"]) == ("first", [])


def test_a_load_per_block_that_does_not_end_ends_the_comparison(job: Job) -> None:
    serving(job, 1)
    done = ab(job, "--load", "sleep 600", "--load-per-block", "--budget", "1")
    assert done.returncode == 2, done.stdout
    assert "one run of the load takes longer than the budget of 1 s for all rounds" in done.stderr
    assert told(job)[0]["choices"]["postprocess"] == "first"


def test_a_process_that_ends_meanwhile_ends_the_comparison_and_the_others_have_their_choice(job: Job) -> None:
    serving(job)
    process = started(job, "postprocess", "upstream", "second")
    job.members[0].end()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"pid {job.members[0].pid}" in errors
    last = job.members[1]
    eventually(lambda: last.ask("report")["timed"] == [])
    assert last.ask("report")["choices"]["postprocess"] == "first"


def test_a_load_that_ends_runs_again_and_a_figure_belongs_to_the_time_of_its_line() -> None:
    patterns = (parse_pattern(r"latency=mean (\S+) ms", "time", "--load-time"), parse_pattern(r"rps=rate: ([\d.]+)", "rate", "--load-rate"))
    began = time.perf_counter()
    with Load("echo 'mean 2.5 ms, rate: 4'; echo 'syncfree time ttft=0.25'; echo 'syncfree time x=nonsense'", patterns) as load:
        eventually(lambda: load.runs >= 2)
        load.check()
        eventually(lambda: len(load.figures(began, time.perf_counter())) == 3)
    assert load.figures(began, time.perf_counter()) == {"latency": 2.5, "rps": 0.25, "ttft": 0.25}
    assert load.figures(0.0, began) == {}


def test_a_load_per_block_runs_once_for_each() -> None:
    began = time.perf_counter()
    with Load("echo syncfree rate tokens=8", once=True) as load:
        for _ in range(3):
            load.start()
            eventually(lambda: not load.is_running)
    assert load.runs == 3
    assert load.figures(began, time.perf_counter()) == {"tokens": 1 / 8}


def test_a_load_that_fails_says_its_last_lines() -> None:
    with Load("echo first; echo 'no such model' >&2; exit 3", once=True) as load:
        load.start()
        eventually(lambda: not load.is_running)
        with pytest.raises(ComparisonError, match=r"ended with status 3: .*; its last lines: first \| no such model"):
            load.check()


def test_a_load_that_is_killed_says_by_which_signal() -> None:
    with Load("kill -9 $$", once=True) as load:
        load.start()
        eventually(lambda: not load.is_running)
        with pytest.raises(ComparisonError, match=r"^the load was ended by signal 9: "):
            load.check()


@pytest.mark.parametrize("number", ["0", "-5", "nan", "inf", "1e999", "5e-324", "none", ""])
def test_a_figure_that_is_no_number_above_0_is_not_counted_and_its_line_is_kept(number: str) -> None:
    pattern = parse_pattern(r"t=t is (\S+)?", "time", "--load-time")  # its group may take no part
    began = time.perf_counter()
    with Load(f"echo 't is {number}'; echo 'syncfree time u={number}'; echo 'syncfree time v=2'", (pattern,)) as load:
        eventually(lambda: load.runs >= 2)
        load.check()
    assert load.figures(began, time.perf_counter()) == {"v": 2.0}
    assert (load.unusable("t"), load.unusable("v")) == (f"t is {number}".strip(), "")
    assert load.unusable("u") == (f"syncfree time u={number}" if number else "")


@pytest.mark.parametrize(
    ("text", "message"), [("rps", "NAME=REGEX"), ("host=(1)", "give another name"), ("rps=(", "not a regular"), ("rps=x", "no group")]
)
def test_a_wrong_expression_is_an_error_that_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        parse_pattern(text, "rate", "--load-rate")
