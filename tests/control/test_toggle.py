"""A toggle switches every process of a job, or none."""

from __future__ import annotations

import json
import os
import signal
from itertools import cycle, islice

import pytest

from syncfree.control._client import connect
from syncfree.control._decision import ABORT, COMMIT, InDirectory, new_decision
from syncfree.control._directory import Entry
from syncfree.control._link import Link
from syncfree.control._toggle import toggle

from .jobs import Job, eventually


def choices(job: Job) -> set[str]:
    return {member.ask("report")["choices"]["postprocess"] for member in job.members}


def started(job: Job, size: int = 3, threads: int = 1) -> Job:
    for _ in range(size):
        job.start("--threads", str(threads))
    for member in job.members:
        member.told()
    return job


def test_many_toggles_while_threads_call_give_no_wrong_result(job: Job, request: pytest.FixtureRequest) -> None:
    started(job, 2, threads=3)
    number = 500 if request.config.getoption("--sweep") else 100
    for choice in islice(cycle(["second", "upstream", "first"]), number):
        outcome = job.toggle(postprocess=choice)
        assert outcome.switched, outcome
    assert choices(job) == {choice}
    for told in job.stop():
        assert told["answer"] is True
        assert told["wrong"] == []
        assert min(told["counts"]["postprocess"][name] for name in ("first", "second", "upstream")) > 0


def test_reset_goes_back_to_what_the_job_was_started_with(job: Job) -> None:
    started(job, 2)
    assert job.toggle(postprocess="second").switched
    assert job.toggle(postprocess="upstream").switched
    assert choices(job) == {"upstream"}
    assert job.toggle().switched
    assert choices(job) == {"first"}
    assert job.toggle().switched


@pytest.mark.parametrize(
    ("choice", "why"), [("secnd", "did you mean 'second'"), ("broken", "No module named 'no_such_module_at_all'")]
)
def test_a_choice_that_cannot_be_met_switches_nothing_and_says_why(job: Job, choice: str, why: str) -> None:
    started(job, 2)
    outcome = job.toggle(postprocess=choice)
    assert not outcome.switched
    assert len(outcome.problems) == 2
    assert all(why in problem for problem in outcome.problems)
    assert choices(job) == {"first"}


def test_a_hook_that_the_job_has_no_place_for_is_noted(job: Job) -> None:
    started(job, 1)
    outcome = job.toggle(scheduler_step="upstream")
    assert outcome.notes == ("scheduler_step: no process of the job has a place for it",)


def test_one_process_that_refuses_keeps_the_others_from_switching(job: Job) -> None:
    started(job, 2)
    job.start(SYNCFREE_PLUGINS="-second,first,sync_free").told()
    outcome = job.toggle(postprocess="second")
    assert not outcome.switched
    (problem,) = outcome.problems
    assert problem.startswith(f"pid {job.members[2].pid}: ")
    assert choices(job) == {"first"}


def test_a_process_that_is_stopped_keeps_the_others_from_switching(job: Job) -> None:
    started(job)
    stopped = job.members[1]
    stopped.process.send_signal(signal.SIGSTOP)
    outcome = job.toggle(seconds=1.0, postprocess="second")
    stopped.process.send_signal(signal.SIGCONT)
    assert not outcome.switched
    assert outcome.problems == (f"pid {stopped.pid}: no answer in time",)
    assert choices(job) == {"first"}
    assert eventually(lambda: job.toggle(postprocess="second").switched)


def test_a_process_that_has_ended_is_named(job: Job) -> None:
    started(job)
    entries = job.entries()
    job.members[0].process.kill()
    job.members[0].process.wait()
    outcome = toggle(entries, {"postprocess": "second"}, 5.0)
    assert outcome.problems == (f"pid {job.members[0].pid} has ended",)
    assert {member.ask("report")["choices"]["postprocess"] for member in job.members[1:]} == {"first"}


def asked(entry: Entry, decision: str, seconds: float = 10.0) -> Link:
    """Ask a process for a toggle, and wait until it is ready."""
    link = connect(entry, 5.0)
    assert link is not None
    link.send({"ask": "toggle", "choices": {"postprocess": "second"}, "decision": decision, "seconds": seconds}, 5.0)
    answer = link.receive(20.0)
    assert answer is not None
    assert "ready" in answer
    return link


def test_a_command_that_is_killed_before_it_decided_switches_nothing(job: Job) -> None:
    started(job, 2)
    decision = new_decision()
    for link in [asked(entry, decision) for entry in job.entries()]:
        link.close()
    made = job.run_directory / decision
    assert str(eventually(lambda: made.is_symlink() and made.readlink())) == ABORT
    assert InDirectory(job.run_directory, decision).decide(COMMIT) == ABORT
    assert choices(job) == {"first"}


def test_a_command_that_is_killed_after_it_decided_has_switched_all(job: Job) -> None:
    started(job, 2)
    decision = new_decision()
    links = [asked(entry, decision) for entry in job.entries()]
    assert InDirectory(job.run_directory, decision).decide(COMMIT) == COMMIT
    for link in links:
        link.close()
    eventually(lambda: choices(job) == {"second"})


def test_a_process_that_was_stopped_when_it_was_decided_switches_when_it_goes_on(job: Job) -> None:
    started(job, 2)
    decision = new_decision()
    links = [asked(entry, decision, seconds=0.5) for entry in job.entries()]
    job.members[0].process.send_signal(signal.SIGSTOP)
    assert InDirectory(job.run_directory, decision).decide(COMMIT) == COMMIT
    answer = links[1].receive(20.0)
    assert answer == {"outcome": COMMIT}
    job.members[0].process.send_signal(signal.SIGCONT)
    eventually(lambda: choices(job) == {"second"})
    for link in links:
        link.close()


def test_a_toggle_beside_another_waits_for_it_and_says_so(job: Job) -> None:
    started(job, 1)
    (entry,) = job.entries()
    link = asked(entry, new_decision())
    outcome = job.toggle(seconds=4.0, postprocess="upstream")
    assert outcome.problems == (f"pid {entry.pid}: another toggle is under way in this process",)
    link.close()
    assert eventually(lambda: job.toggle(postprocess="upstream").switched)


def test_the_commands_show_and_switch(job: Job) -> None:
    started(job, 2)
    shown = job.command("ps")
    assert shown.returncode == 0, shown.stderr
    assert "job job: 2 processes, made_up 1.0" in shown.stdout
    (found,) = json.loads(job.command("ps", "--json").stdout)["jobs"]
    assert {process["pid"] for process in found["processes"]} == {member.pid for member in job.members}
    (hook,) = (hook for hook in found["processes"][0]["hooks"] if hook["hook"] == "postprocess")
    assert (hook["choice"], hook["state"]) == ("first", "bound")
    assert hook["calls"] > 0
    switched = job.command("toggle", "postprocess=second")
    assert switched.returncode == 0, switched.stderr
    assert "job job, 2 processes: postprocess=second, in " in switched.stdout
    told = json.loads(job.command("toggle", "--reset", "--json", "--job", "job").stdout)
    assert (told["switched"], told["choices"], told["problems"]) == (True, None, [])
    one = job.command("toggle", "postprocess=upstream", "--pid", str(job.members[0].pid))
    assert one.returncode == 0, one.stderr
    assert choices(job) == {"upstream", "first"}
    refused = job.command("toggle", "postprocess=sceond")
    assert refused.returncode == 1
    assert "did you mean 'second'" in refused.stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("postproces=first",), "unknown hook 'postproces'; did you mean 'postprocess'?"),
        (("postprocess",), "'postprocess' is not of the form HOOK=CHOICE"),
        ((), "nothing to switch: give HOOK=CHOICE"),
        (("--reset", "postprocess=first"), "--reset takes back every toggle"),
        (("postprocess=first", "postprocess=upstream"), "postprocess is given twice"),
        (("postprocess=first", "--job", "no_such"), "no job 'no_such' of yours can be reached. Known: none"),
        (("postprocess=first", "--pid", "1"), "no process 1 of yours can be reached"),
        (("postprocess=first",), "0 jobs can be reached, start an engine with syncfree"),
    ],
)
def test_wrong_use_is_a_sentence_and_status_2(job: Job, arguments: tuple[str, ...], why: str) -> None:
    ended = job.command("toggle", *arguments)
    assert ended.returncode == 2
    assert why in ended.stderr
    assert "Traceback" not in ended.stderr


def test_two_jobs_are_told_apart(job: Job) -> None:
    job.start().told()
    job.start(SYNCFREE_JOB="other").told()
    ended = job.command("toggle", "postprocess=second")
    assert ended.returncode == 2
    assert "2 jobs can be reached, give one with --job. Known: job (1 process); other (1 process)" in ended.stderr
    assert job.command("toggle", "postprocess=second", "--job", "other").returncode == 0
    assert [member.ask("report")["choices"]["postprocess"] for member in job.members] == ["first", "second"]


def test_a_process_that_does_not_answer_is_shown_as_such(job: Job) -> None:
    started(job, 2)
    job.members[0].process.send_signal(signal.SIGSTOP)
    shown = job.command("ps", "--seconds", "0.05")
    os.kill(job.members[0].pid, signal.SIGCONT)
    assert shown.returncode == 1
    assert "does not answer: no answer in time" in shown.stdout
