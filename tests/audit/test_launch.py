"""Signals, descriptors and files around an audited command."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

CATCHES = """
import os, signal, sys, time
caught = []
def handler(number, frame):
    caught.append(signal.Signals(number).name)
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, handler)
print(os.getpid(), flush=True)
while not caught:
    time.sleep(0.01)
time.sleep(0.3)
print(*caught)
sys.exit(5)
"""
SLEEPS = "import os, time; print(os.getpid(), flush=True); time.sleep(100)"


class Audit:
    """A running ``syncfree audit`` whose command has printed its process number."""

    def __init__(self, folder: Path, *command: str, **options: Any) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "syncfree.audit", "--", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"TMPDIR": str(self.temporary)},
            start_new_session=True,
            text=True,
            **options,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._output, self._errors = self.process.stdout, self.process.stderr
        self.command = int(self._output.readline())

    def end(self) -> tuple[int, str, str]:
        """Status, what the command printed, and the report."""
        output, errors = self._output.read(), self._errors.read()
        return self.process.wait(60), output, errors


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Audit]]:
    audits: list[Audit] = []

    def start(*command: str, **options: Any) -> Audit:
        audits.append(Audit(tmp_path, *command, **options))
        return audits[-1]

    yield start
    for audit in audits:
        audit.process.kill()
        with suppress(ProcessLookupError):
            os.kill(audit.command, signal.SIGKILL)
        with audit.process:
            pass


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"])
def test_a_signal_for_the_auditor_reaches_the_command_once(name: str, started: Callable[..., Audit]) -> None:
    audit = started("python", "-c", CATCHES)
    audit.process.send_signal(signal.Signals[name])
    status, output, report = audit.end()
    assert (status, output) == (5, f"{name}\n")
    assert report.startswith("syncfree audit: ")
    assert list(audit.temporary.iterdir()) == []


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM"])
def test_a_signal_that_ends_the_command_ends_the_audit_with_a_report(name: str, started: Callable[..., Audit]) -> None:
    audit = started("sh", "-c", "echo $$; exec sleep 100")
    number = signal.Signals[name]
    audit.process.send_signal(number)
    status, _, report = audit.end()
    assert status == 128 + number
    assert report.startswith("syncfree audit: ")
    assert list(audit.temporary.iterdir()) == []
    assert not is_running(audit.command)


def test_what_the_command_leaves_in_its_group_is_asked_to_end_as_well(started: Callable[..., Audit]) -> None:
    audit = started(
        sys.executable, "-c", f"import os, subprocess; subprocess.Popen(['{sys.executable}', '-c', {SLEEPS!r}]).wait()"
    )
    audit.process.send_signal(signal.SIGTERM)
    assert audit.end()[0] == 143
    assert not is_running(audit.command)


def test_a_daemon_is_not_asked_to_end(started: Callable[..., Audit]) -> None:
    audit = started("sh", "-c", f"setsid {sys.executable} -c '{SLEEPS}' & sleep 100")
    audit.process.send_signal(signal.SIGTERM)
    assert audit.process.wait(60) == 143
    assert is_running(audit.command)


def test_the_end_of_the_auditor_ends_the_command(started: Callable[..., Audit]) -> None:
    audit = started("python", "-c", SLEEPS)
    audit.process.kill()
    audit.process.wait()
    assert wait_until(lambda: not is_running(audit.command))


def test_what_was_ignored_stays_ignored(started: Callable[..., Audit]) -> None:
    program = "import os, signal; print(os.getpid(), flush=True); print(signal.getsignal(signal.SIGHUP).name, input())"
    audit = started(
        "python", "-c", program, stdin=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    audit.process.send_signal(signal.SIGHUP)
    audit.process.stdin.write("read\n")
    audit.process.stdin.close()
    assert audit.end()[:2] == (0, "SIG_IGN read\n")


def test_the_status_survives_a_starter_that_ignores_its_children(started: Callable[..., Audit]) -> None:
    program = "import os, signal, sys; print(os.getpid()); print(signal.getsignal(signal.SIGCHLD).name); sys.exit(9)"
    audit = started("python", "-c", program, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert audit.end()[:2] == (9, "SIG_IGN\n")


def test_a_program_that_signals_its_own_group_is_signalled_once(started: Callable[..., Audit]) -> None:
    audit = started("python", "-c", CATCHES.replace("while not", "os.killpg(0, signal.SIGTERM)\nwhile not"))
    status, output, report = audit.end()
    assert (status, output) == (5, "SIGTERM\n")
    assert report.startswith("syncfree audit: ")


def test_an_interrupt_from_the_terminal_reaches_the_command_once(tmp_path: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "syncfree.audit", "--", "python", "-c", CATCHES])
    text = b""
    while b"\n" not in text:
        text += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    try:
        while piece := os.read(terminal, 1000):
            text += piece
    except OSError:
        pass  # the end of a terminal
    assert b"SIGINT\r\n" in text
    assert b"SIGINT SIGINT" not in text
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5


def audit(folder: Path, *arguments: str | bytes, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "syncfree.audit", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, **options)


def test_descriptors_that_the_shell_opened_for_the_command_reach_it(tmp_path: Path) -> None:
    command = f"{sys.executable} -m syncfree.audit -- python -c 'import os; print(os.read(7, 9))' 7<<END\nsaid\nEND"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=100)
    assert done.stdout == "b'said\\n'\n", done.stderr


@pytest.mark.parametrize("option", ["--json", "--html"])
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("missing/report", "No such file or directory"),
        ("folder", "Is a directory"),
        ("file/report", "Not a directory"),
        ("n" * 300, "File name too long"),
        ("/proc/report", "No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_written_is_noticed_before_the_command_starts(
    option: str, file: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    done = audit(tmp_path, option, file, "--", "touch", "started")
    assert (done.returncode, done.stderr) == (2, f"syncfree audit: cannot write {option} {file}: {reason}\n")
    assert not (tmp_path / "started").exists()


def test_a_file_is_left_as_it_is_until_there_is_something_to_write(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("before")
    assert audit(tmp_path, "--json", "report", "--html", "page", "--", "no-such-program").returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert (tmp_path / "report").read_text() == "before"


def test_two_reports_do_not_go_to_one_file(tmp_path: Path) -> None:
    done = audit(tmp_path, "--json", "report", "--html", "./report", "--", "touch", "started")
    assert done.returncode == 2
    assert "is what --json writes" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_report_is_printed_before_the_files_are_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    done = audit(tmp_path, "--json", "folder/report", "--", "rmdir", "folder")
    assert done.returncode == 2
    assert done.stderr == (
        "syncfree audit: no process of the command used torch\n"
        "syncfree audit: cannot write --json folder/report: No such file or directory\n"
    )


def test_the_files_are_written_when_nobody_reads_the_report(tmp_path: Path) -> None:
    command = f"{sys.executable} -m syncfree.audit --json"
    command = f"{command} one -- true 2>&-; {command} two -- true 2>&1 | true"
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, timeout=100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_a_report_may_go_to_a_pipe(tmp_path: Path) -> None:
    done = audit(tmp_path, "--json", "/dev/stdout", "--", "true")
    assert json.loads(done.stdout)["exit_status"] == 0


def test_arguments_that_are_not_utf8_reach_the_command_and_the_reports(tmp_path: Path) -> None:
    program = "import sys, os, torch; print(os.fsencode(sys.argv[1])); torch.ones(1, device='cuda').tolist()"
    arguments = ("--json", "json", "--html", b"page\xff", "--", "python", "-c", program, b"\xff\n\xc3\xa9")
    done = audit(tmp_path, *arguments, errors="backslashreplace")
    assert (done.returncode, done.stdout) == (0, "b'\\xff\\n\\xc3\\xa9'\n"), done.stderr
    report = json.loads((tmp_path / "json").read_text())
    assert os.fsencode(report["command"][-1]) == os.fsencode(report["processes"][0]["argv"][-1]) == b"\xff\n\xc3\xa9"
    page = Path(os.fsdecode(os.fsencode(tmp_path) + b"/page\xff")).read_text("utf-8")
    assert "\\udcff\né" in page


def test_a_folder_for_temporary_files_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    program = """
    import resource, signal, sys
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    from syncfree.audit._run import run
    try:
        run(["touch", "started"])
    except Exception as error:
        print(type(error).__name__, error)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(tmp_path)}, timeout=100
    )
    assert done.stdout.startswith("AuditError ")
    assert "set TMPDIR" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_zombies_of_the_command_are_not_kept(tmp_path: Path) -> None:
    """A process whose parent has ended is waited for by the auditor, as it would be by the first process of the machine."""
    program = """
    import os, time
    for _ in range(5):
        if os.fork() == 0:
            if os.fork():
                os._exit(0)
            os._exit(0)
        os.wait()
    auditor = os.getppid()
    def parent(pid):
        try:
            with open(f"/proc/{pid}/stat") as file:
                return int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            return 0
    def children():
        return sum(parent(pid) == auditor for pid in os.listdir("/proc") if pid.isdigit())
    end = time.monotonic() + 20
    while children() > 1 and time.monotonic() < end:
        time.sleep(0.05)
    print(children())
    """
    assert audit(tmp_path, "--", "python", "-c", textwrap.dedent(program)).stdout == "1\n"
