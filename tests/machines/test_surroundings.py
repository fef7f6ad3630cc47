"""What only root can make: a full file system, and sockets and connections of another user."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from syncfree.control._client import ask_all, find
from syncfree.control._directory import new_name
from tests.control.jobs import Job

from .machines import Machine

NOBODY = 65534
FILES = "mode=700,size=64k,nr_inodes="


@pytest.fixture
def job() -> Iterator[Job]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's folder may be too long for a socket
        made = Job(Path(folder))
        yield made
        made.end()


@contextmanager
def another_user() -> Iterator[None]:
    """As far as the kernel tells others, this process is nobody's meanwhile."""
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def mounted(machine: Machine, job: Job, files: int) -> str:
    """Mount a file system for so many files at the run directory, of which the directory itself is one."""
    job.run_directory.mkdir()
    machine.run("mount", "-t", "tmpfs", "-o", f"{FILES}{files}", "none", str(job.run_directory))
    return str(job.run_directory)


def test_without_room_for_a_socket_a_process_serves_and_is_not_reached(machine: Machine, job: Job) -> None:
    mounted(machine, job, files=1)
    member = job.start("--threads", "1", prefix=machine.prefix)
    assert member.told()["choices"]["postprocess"] == "first"
    assert job.command("ps", prefix=machine.prefix).stdout.startswith("no process of yours with syncfree can be reached")
    told = member.ask("stop")
    assert (told["answer"], told["wrong"]) == (True, [])


def test_without_room_for_the_decision_nothing_switches_and_the_reason_is_told(machine: Machine, job: Job) -> None:
    directory = mounted(machine, job, files=2)
    member = job.start("--threads", "1", prefix=machine.prefix)
    member.told()
    refused = job.command("toggle", "postprocess=second", "--timeout", "20", prefix=machine.prefix)
    assert refused.returncode == 1
    assert "the decision could not be made or read: " in refused.stdout
    assert "No space left on device" in refused.stdout.replace("\n", " ")
    assert member.ask("report")["choices"]["postprocess"] == "first"
    machine.run("mount", "-o", f"remount,{FILES}9", directory)
    switched = job.command("toggle", "postprocess=second", "--timeout", "20", prefix=machine.prefix)
    assert switched.returncode == 0, switched.stdout
    assert member.ask("stop")["wrong"] == []


def test_a_connection_of_another_user_is_closed_unanswered(job: Job) -> None:
    """Even where the run directory has been opened to him."""
    member = job.start()
    member.told()
    (entry,) = job.entries()
    for path in (job.folder, *job.folder.parents[:-2]):
        path.chmod(path.stat().st_mode | 0o011)
    job.run_directory.chmod(0o711)
    path = job.run_directory / entry.name
    path.chmod(0o777)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        with another_user():
            connection.connect(str(path))
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(b'{"ask": "report"}\n')
            assert connection.recv(100) == b""
    job.run_directory.chmod(0o700)
    (process,) = ask_all(find(job.environment), 20.0)
    assert process.report is not None


def test_a_socket_of_another_user_in_the_run_directory_is_told_nothing(job: Job) -> None:
    member = job.start()
    member.told()
    name = new_name(job.name)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(job.run_directory / name))
        with another_user():
            listening.listen(8)
        listening.setblocking(False)
        silent = [process.silence for process in ask_all(find(job.environment), 20.0) if process.report is None]
        assert silent == ["its socket belongs to another user"]
        outcome = job.toggle(20.0, postprocess="second")
        assert [problem.partition(": ")[2] for problem in outcome.problems] == ["its socket belongs to another user"]
        accepted = []
        with suppress(BlockingIOError):
            while True:
                accepted.append(listening.accept()[0])
        assert [connection.recv(100) for connection in accepted] == [b""] * len(accepted)
        for connection in accepted:
            connection.close()
    assert member.ask("report")["choices"]["postprocess"] == "first"
    shown = json.loads(job.command("ps", "--json").stdout)
    assert [len(of["processes"]) for of in shown["jobs"]] == [1]
