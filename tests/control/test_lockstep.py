"""Hooks in lockstep are switched while the ranks serve: all at the same call, or none."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from itertools import cycle, islice
from typing import Any

import pytest

from syncfree.control._client import connect
from syncfree.control._decision import ABORT, COMMIT, InDirectory, new_decision
from syncfree.control._directory import Entry
from syncfree.control._link import Link
from syncfree.control._toggle import toggle

from .jobs import ROOT, Job, eventually

REDUCE = "dp_all_reduce"
EXCHANGE = "sequence_parallel_all_to_all"
ROUND = (
    {REDUCE: "shm_mailbox"},
    {EXCHANGE: "packed_all_to_all"},
    {REDUCE: "upstream"},
    {EXCHANGE: "upstream", REDUCE: "sync_free"},
    {EXCHANGE: "sync_free"},
    {EXCHANGE: "packed_all_to_all", REDUCE: "shm_mailbox"},
    {EXCHANGE: "upstream", REDUCE: "upstream"},
    {EXCHANGE: "sync_free", REDUCE: "sync_free"},
)
LONG = 20.0


def choices(job: Job) -> list[dict[str, str]]:
    told = [member.ask("report")["choices"] for member in job.members]
    return [{hook: of[hook] for hook in (REDUCE, EXCHANGE)} for of in told]


def well_served(told: list[dict[str, Any]]) -> None:
    """Every rank stopped, made as many steps, got right results, and made the same calls by the same implementations."""
    assert [of["answer"] for of in told] == [True] * len(told)
    assert [of["wrong"] for of in told] == [[]] * len(told)
    assert len({of["done"] for of in told}) == 1
    counts = [{hook: of["counts"][hook] for hook in (REDUCE, EXCHANGE)} for of in told]
    assert counts == [counts[0]] * len(counts)


@pytest.mark.parametrize("size", [2, 4])
def test_many_toggles_while_steps_run_neither_hang_nor_mix(job: Job, size: int, request: pytest.FixtureRequest) -> None:
    number = 500 if request.config.getoption("--sweep") else 80 // size
    job.start_ranks(size)
    job.serve()
    for choice in islice(cycle(ROUND), number):
        outcome = job.toggle(LONG, **choice)
        assert outcome.switched, outcome
    told = job.stop()
    well_served(told)
    assert all(min(told[0]["counts"][hook].values()) > 0 for hook in (REDUCE, EXCHANGE))


def test_a_job_that_is_idle_switches_at_its_next_call(job: Job) -> None:
    job.start_ranks(2)
    for choice in ROUND[:3]:
        outcome = job.toggle(LONG, **choice)
        assert outcome.switched, outcome
        assert outcome.call in (0, None)
    job.serve()
    time.sleep(0.2)
    well_served(job.stop())


def test_the_command_says_before_which_call_the_ranks_switched(job: Job) -> None:
    job.start_ranks(2)
    job.serve()
    ended = job.command("toggle", f"{REDUCE}=upstream", "--timeout", "20")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ", all ranks before call " in ended.stdout
    assert choices(job) == [{REDUCE: "upstream", EXCHANGE: "sync_free"}] * 2
    well_served(job.stop())


def asked(job: Job, decision: str, seconds: float) -> dict[Entry, Link]:
    """Ask every rank for a toggle, and wait until it is ready."""
    links = {}
    for entry in job.entries():
        link = connect(entry, LONG)
        assert link is not None
        link.send({"ask": "toggle", "choices": {REDUCE: "upstream"}, "decision": decision, "seconds": seconds}, LONG)
        links[entry] = link
    for link in links.values():
        answer = link.receive(LONG)
        assert answer is not None
        assert "ready" in answer
    return links


def held(links: dict[Entry, Link]) -> None:
    """Hold the ranks far ahead at one call, and wait until all stand there."""
    call = 10
    while True:
        standing = []
        for link in links.values():
            link.send({"hold": call}, LONG)
            answer = link.receive(LONG)
            assert answer is not None
            standing.append(answer["standing"])
        if all(of["calls"] == call and of["held"] and not of["inside"] for of in standing):
            return
        if max(of["calls"] for of in standing) > call:
            call = max(of["calls"] for of in standing) + 10
        time.sleep(0.005)


def closed(links: dict[Entry, Link]) -> None:
    for link in links.values():
        link.close()


@pytest.mark.parametrize("phase", ["ready", "held"])
def test_a_rank_that_is_killed_before_the_decision_leaves_the_others_on_their_choice(job: Job, phase: str) -> None:
    job.start_ranks(2)
    job.serve()
    links = asked(job, new_decision(), LONG)
    if phase == "held":
        held(links)
    job.members[1].process.kill()
    closed(links)
    eventually(lambda: job.members[0].ask("report")["choices"][REDUCE] == "sync_free")
    outcome = job.toggle(2.0, postprocess="second", **{REDUCE: "upstream"})
    assert not outcome.switched
    assert job.members[0].ask("report")["choices"][REDUCE] == "sync_free"


def test_a_rank_that_is_killed_while_the_command_works_switches_nothing(job: Job) -> None:
    job.start_ranks(2)
    job.serve()
    entries = job.entries()
    job.members[1].process.kill()
    job.members[1].process.wait()
    outcome = toggle(entries, {REDUCE: "upstream"}, 5.0)
    assert not outcome.switched
    assert any("has ended" in problem for problem in outcome.problems)
    assert job.members[0].ask("report")["choices"][REDUCE] == "sync_free"


def test_a_rank_that_is_stopped_keeps_the_others_from_switching(job: Job) -> None:
    job.start_ranks(2)
    job.serve()
    job.members[1].process.send_signal(signal.SIGSTOP)
    outcome = job.toggle(1.0, **{REDUCE: "upstream"})
    job.members[1].process.send_signal(signal.SIGCONT)
    assert outcome.problems == (f"pid {job.members[1].pid}: no answer in time",)
    assert [of[REDUCE] for of in choices(job)] == ["sync_free"] * 2
    assert eventually(lambda: job.toggle(LONG, **{REDUCE: "upstream"}).switched)
    well_served(job.stop())


@pytest.mark.parametrize(("phase", "outcome"), [("ready", ABORT), ("held", ABORT), ("held", COMMIT)])
def test_a_rank_that_is_stopped_at_the_decision_finds_it_when_it_goes_on(job: Job, phase: str, outcome: str) -> None:
    job.start_ranks(2)
    job.serve()
    decision = new_decision()
    links = asked(job, decision, 2.0 if outcome == ABORT else LONG)
    if phase == "held":
        held(links)
    job.members[1].process.send_signal(signal.SIGSTOP)
    assert InDirectory(job.run_directory, decision).decide(outcome) == outcome
    closed(links)
    eventually(lambda: job.members[0].ask("report")["choices"][REDUCE] == ("upstream" if outcome == COMMIT else "sync_free"))
    job.members[1].process.send_signal(signal.SIGCONT)
    expected = "upstream" if outcome == COMMIT else "sync_free"
    eventually(lambda: [of[REDUCE] for of in choices(job)] == [expected] * 2)
    time.sleep(0.1)
    well_served(job.stop())


def test_a_command_that_is_killed_at_any_moment_leaves_all_ranks_alike(job: Job) -> None:
    job.start_ranks(2)
    job.serve()
    program = f"""
import sys
from itertools import cycle
from syncfree.control._client import find
from syncfree.control._toggle import toggle
print("ready", flush=True)
entries = find({{"SYNCFREE_CONTROL": {str(job.run_directory)!r}}}).entries
for choice in cycle(["upstream", "shm_mailbox", "sync_free"]):
    toggle(entries, {{{REDUCE!r}: choice}}, 20.0)
"""
    for number in range(6):
        with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as command:
            assert command.stdout is not None
            assert command.stdout.readline() == "ready\n"
            time.sleep(0.05 + 0.013 * number)
            command.kill()
        eventually(lambda: len({of[REDUCE] for of in choices(job)}) == 1)
    assert eventually(lambda: job.toggle(LONG, **{REDUCE: "upstream"}).switched)
    well_served(job.stop())


def test_ranks_that_cannot_all_be_reached_are_not_switched_and_other_hooks_are(job: Job) -> None:
    """As on two machines: each has its own run directory."""
    elsewhere = str(job.folder / "elsewhere")
    store = str(job.folder / "store")
    job.start("--ranks", store, "0", "2")
    job.start("--ranks", store, "1", "2", SYNCFREE_CONTROL=elsewhere)
    for member in job.members:
        member.told()
    job.serve()
    outcome = job.toggle(LONG, **{REDUCE: "upstream"})
    (problem,) = outcome.problems
    assert "the job has 2 ranks, and rank 1 cannot be reached from here" in problem
    assert job.toggle(LONG, postprocess="second").switched
    assert [of[REDUCE] for of in choices(job)] == ["sync_free"] * 2
    well_served(job.stop())


@pytest.fixture
def container() -> tuple[str, ...]:
    """Return what starts a process in a PID namespace of its own, as in a container."""
    prefix = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.fail("this test needs a kernel or container that allows new user and PID namespaces, and util-linux' unshare")
    return prefix


def test_ranks_in_two_containers_that_share_a_run_directory_switch_but_share_no_memory(job: Job, container: tuple[str, ...]) -> None:
    """Their process ids differ, by which `shm_mailbox` finds the memory of another process."""
    store = str(job.folder / "store")
    job.start("--ranks", store, "0", "2")
    job.start("--ranks", store, "1", "2", prefix=container)
    for member in job.members:
        member.told()
    job.serve()
    outcome = job.toggle(LONG, **{REDUCE: "shm_mailbox"})
    assert outcome.problems == ("dp_all_reduce=shm_mailbox needs all ranks on one machine, sharing memory, and these run on several",)
    assert [of[REDUCE] for of in choices(job)] == ["sync_free"] * 2
    assert job.toggle(LONG, postprocess="second", **{REDUCE: "upstream"}).switched
    assert job.command("ps").returncode == 0
    assert [of[REDUCE] for of in choices(job)] == ["upstream"] * 2
    well_served(job.stop())


def test_ranks_that_do_not_come_to_one_call_in_time_are_not_switched(job: Job) -> None:
    """One rank makes no calls, so that the other waits in one for ever."""
    job.start_ranks(2)
    job.members[0].ask("serve")
    eventually(lambda: job.members[0].ask("report")["counts"][REDUCE]["sync_free"] == 1)
    outcome = job.toggle(1.0, **{REDUCE: "upstream"})
    assert not outcome.switched
    assert "did not come to call 1 together in time" in outcome.problems[0]
    assert "is in one" in outcome.problems[0]
    job.members[1].ask("serve")
    assert eventually(lambda: job.toggle(LONG, **{REDUCE: "upstream"}).switched)
    well_served(job.stop())


def test_a_hook_that_is_not_bound_yet_is_refused_with_the_next_step(job: Job) -> None:
    job.start_ranks(2, SYNCFREE_DP_ALL_REDUCE="upstream")
    outcome = job.toggle(LONG, **{REDUCE: "sync_free"})
    assert len(outcome.problems) == 2
    assert "start the job with an implementation of dp_all_reduce chosen" in outcome.problems[0]
    assert job.toggle(LONG, postprocess="second").switched
