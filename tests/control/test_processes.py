"""Which processes can be reached, and what a process that cannot be reached loses: nothing."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from syncfree.control import _server
from syncfree.control._client import ask_all, find
from syncfree.control._directory import address, new_name

from .jobs import ROOT, Job, Member, eventually

TORCHLESS = """
import json, sys, syncfree
syncfree.plan()
syncfree.counters()
print(json.dumps(sorted(name for name in sys.modules if name.startswith("syncfree.control"))))
"""


def pids(job: Job) -> set[int]:
    return {entry.pid for entry in job.entries()}


def test_a_process_reports_its_plan(job: Job) -> None:
    member = job.start("--threads", "1")
    member.told()
    (process,) = ask_all(find(job.environment), 5.0)
    assert process.report is not None
    assert (process.report["pid"], process.job) == (member.pid, "job")
    assert process.report["plan"]["loaded"] == ["made_up"]
    assert process.report["frameworks"] == {"made_up": "1.0"}


def test_importing_and_planning_neither_listen_nor_import_what_listens() -> None:
    done = subprocess.run([sys.executable, "-c", TORCHLESS], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_process_that_ended_leaves_nothing_and_one_that_was_killed_is_cleaned(job: Job) -> None:
    first, second = job.start(), job.start()
    first.told()
    second.told()
    assert pids(job) == {first.pid, second.pid}
    second.process.kill()
    second.process.wait()
    assert [process.entry.pid for process in ask_all(find(job.environment), 5.0)] == [first.pid]
    assert pids(job) == {first.pid}


def test_a_process_that_starts_removes_what_killed_ones_left(job: Job) -> None:
    killed = job.start()
    killed.told()
    killed.end()
    assert pids(job) == {killed.pid}
    started = job.start()
    started.told()
    eventually(lambda: pids(job) == {started.pid})


def test_a_normal_exit_removes_the_socket(job: Job) -> None:
    program = f"from pathlib import Path; from tests.control.program import Engine; Engine(Path({str(job.folder / 'p')!r}))"
    variables = {**job.environment, "SYNCFREE_JOB": job.name}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=variables, check=True, timeout=60)
    assert list(job.run_directory.iterdir()) == []


def test_a_forked_child_has_a_socket_of_its_own(job: Job) -> None:
    parent = job.start()
    parent.told()
    child = int(parent.ask("fork")["answer"])
    try:
        eventually(lambda: pids(job) == {parent.pid, child})
        reports = {process.report["pid"] for process in ask_all(find(job.environment), 5.0) if process.report}
        assert reports == {parent.pid, child}
        assert job.toggle(postprocess="second").switched
    finally:
        os.kill(child, signal.SIGKILL)
    eventually(lambda: [process.entry.pid for process in ask_all(find(job.environment), 5.0)] == [parent.pid])


def unreachable(job: Job, **variables: str) -> Member:
    member = job.start("--threads", "1", **variables)
    assert member.told()["choices"]["postprocess"] == "first"
    assert member.ask("stop")["wrong"] == []
    return member


def test_a_variable_and_the_configuration_file_switch_it_off(job: Job) -> None:
    (job.folder / "syncfree.toml").write_text("control = false\n")
    unreachable(job, SYNCFREE_CONTROL="off", XDG_RUNTIME_DIR=str(job.run_directory))
    unreachable(job, SYNCFREE_CONTROL="", SYNCFREE_CONFIG=str(job.folder / "syncfree.toml"), XDG_RUNTIME_DIR=str(job.folder))
    assert not job.run_directory.exists()
    assert not (job.folder / "syncfree").exists()


def test_a_run_directory_that_others_could_use_is_not_used(job: Job) -> None:
    job.run_directory.mkdir()
    job.run_directory.chmod(0o777)
    unreachable(job)
    assert list(job.run_directory.iterdir()) == []


def test_a_run_directory_that_cannot_be_made_disturbs_nothing(job: Job) -> None:
    job.run_directory.parent.joinpath("file").write_text("")
    unreachable(job, SYNCFREE_CONTROL=str(job.folder / "file" / "run"))
    unreachable(job, SYNCFREE_CONTROL="/proc/run")


def test_a_long_run_directory_works(job: Job) -> None:
    job.run_directory = job.folder / ("d" * 100) / ("e" * 100)
    job.run_directory.parent.mkdir()
    member = job.start()
    member.told()
    assert pids(job) == {member.pid}
    assert job.toggle(postprocess="second").switched


def test_where_no_thread_can_be_started_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    class Runtime:
        enabled = True

        def selection(self) -> object:
            return type("Selection", (), {"control": True})

    def start(self: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_server.threading.Thread, "start", start)
    environ = {"SYNCFREE_CONTROL": str(tmp_path / "run")}
    with caplog.at_level("INFO"):
        _server.listen(Runtime(), environ)  # type: ignore[arg-type]
    (record,) = caplog.records
    assert "can't start new thread" in record.getMessage()
    assert list((tmp_path / "run").iterdir()) == []


def test_a_program_that_may_open_few_more_files_keeps_them(job: Job) -> None:
    server = _server.Server(None, {"SYNCFREE_CONTROL": str(job.run_directory)}, _server.log_of())  # type: ignore[arg-type]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 10, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            server.open()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert list(job.run_directory.iterdir()) == []


def test_another_user_is_sent_away(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the run directory were open to him: here the process takes itself for another user's."""
    server = _server.Server(None, {"SYNCFREE_CONTROL": str(job.run_directory)}, _server.log_of())  # type: ignore[arg-type]
    server.open()
    try:
        monkeypatch.setattr(_server.os, "geteuid", lambda: 12345)
        server.start()
        (entry,) = job.run_directory.iterdir()
        with socket.socket(socket.AF_UNIX) as connection, address(entry.parent, entry.name) as path:
            connection.settimeout(20)
            connection.connect(path)
            with suppress(BrokenPipeError, ConnectionResetError):  # it closes with the request unread
                connection.sendall(b'{"ask": "report"}\n')
                assert connection.recv(100) == b""
        assert entry.exists()
    finally:
        server.close()


@pytest.mark.parametrize("sent", [b"\n", b"[]\n", b"\xff\xfe\n", b'{"ask": "else"}\n', b'{"ask": "toggle"}\n', b"x" * (1 << 17), b"{"])
def test_a_stranger_who_says_anything_disturbs_nothing(job: Job, sent: bytes) -> None:
    member = job.start()
    member.told()
    (entry,) = job.entries()
    with socket.socket(socket.AF_UNIX) as connection, address(entry.directory, entry.name) as path:
        connection.connect(path)
        connection.sendall(sent)
    assert [process.report["pid"] for process in ask_all(find(job.environment), 5.0) if process.report] == [member.pid]


def test_many_who_connect_and_say_nothing_keep_nobody_waiting_for_long(job: Job) -> None:
    member = job.start("--threads", "1")
    member.told()
    (entry,) = job.entries()
    idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    try:
        with address(entry.directory, entry.name) as path:
            for connection in idle:
                connection.connect(path)
        eventually(lambda: [process.report for process in ask_all(find(job.environment), 1.0) if process.report])
    finally:
        for connection in idle:
            connection.close()
    assert member.ask("stop")["wrong"] == []


def test_the_thread_takes_no_signal_from_the_program(job: Job) -> None:
    """A program that blocks a signal in order to wait for it must get it, whenever our thread was started."""
    program = f"""
import signal, os
from pathlib import Path
from tests.control.program import Engine
Engine(Path({str(job.folder / 'p')!r}))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.kill(os.getpid(), signal.SIGUSR1)
print(signal.sigwait([signal.SIGUSR1]))
"""
    variables = {**job.environment, "SYNCFREE_JOB": job.name}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, f"{int(signal.SIGUSR1)}\n"), done.stderr


def test_a_run_directory_that_is_opened_to_others_later_is_not_looked_into(job: Job) -> None:
    job.start().told()
    job.run_directory.chmod(0o755)
    shown = job.command("ps")
    assert f"chmod 700 {job.run_directory}" in shown.stdout.replace("\n", "")
    assert job.command("toggle", "postprocess=second").returncode == 2
    job.run_directory.chmod(0o700)
    assert job.command("toggle", "postprocess=second", "--timeout", "20").returncode == 0


STRANGE = (b"nonsense\n", b"[]\n", b'{"report": 3}\n', b'{"ready": {}}\n', b'{"ready": {}, "notes": []}\n', b"{" * 100_000 + b"\n", b"")


@pytest.mark.parametrize("answer", STRANGE)
def test_a_socket_that_answers_anything_switches_nothing_and_breaks_no_command(job: Job, answer: bytes) -> None:
    """Such as that of another release of syncfree."""
    member = job.start()
    member.told()
    with socket.socket(socket.AF_UNIX) as listening, address(job.run_directory, new_name(job.name)) as path:
        listening.bind(path)
        listening.listen(8)
        threading.Thread(target=answering, args=(listening, answer), daemon=True).start()
        shown = job.command("ps", "--seconds", "0.05")
        outcome = job.toggle(3.0, postprocess="second")
    assert (shown.returncode, "Traceback" in shown.stderr) == (1, False)
    assert not outcome.switched
    assert outcome.problems
    assert member.ask("report")["choices"]["postprocess"] == "first"


def answering(listening: socket.socket, answer: bytes) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)
