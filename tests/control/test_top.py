"""``syncfree top``: in a pipe, and in a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections import deque

import pytest

from syncfree.cli.top import sparkline

from .jobs import ROOT, Job

PROGRAM = "import sys; from syncfree.cli import main; sys.argv = ['syncfree', 'top', '--seconds', '0.2']; main()"


def test_a_course_goes_from_zero_to_its_greatest_value() -> None:
    assert sparkline(deque([0.0, 1.0, 4.0, 8.0])) == " ▁▄█"
    assert sparkline(deque([0.0, 0.0])) == "  "
    assert sparkline(deque()) == ""


def test_in_a_pipe_each_look_is_plain_text(job: Job) -> None:
    job.start("--threads", "1").told()
    shown = job.command("top", "--looks", "3", "--seconds", "0.2")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("job job: 1 process, made_up 1.0") == 3
    assert "█" in shown.stdout
    assert "\x1b" not in shown.stdout


@pytest.mark.parametrize("end", ["q", "interrupt"])
def test_in_a_terminal_it_ends_cleanly(job: Job, end: str) -> None:
    member = job.start("--threads", "1")
    member.told()
    process, terminal = started(job, "xterm-256color")
    try:
        seen = read_until(terminal, str(member.pid).encode())
        assert b"q quits" in seen
        if end == "q":
            os.write(terminal, b"q")
        else:
            process.send_signal(signal.SIGINT)
        seen = read_until(terminal, b"\x1b[?1049l")  # back from the second screen
        assert process.wait(20) == 0
        assert b"Traceback" not in seen
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def test_in_a_terminal_that_cannot_be_redrawn_each_look_is_plain_text(job: Job) -> None:
    member = job.start("--threads", "1")
    member.told()
    process, terminal = started(job, "dumb")
    try:
        seen, heading = b"", b"job job: 1 process"
        while seen.count(heading) < 2:
            seen += read_until(terminal, heading, below=b"")
        assert b"\x1b" not in seen
        os.write(terminal, b"q")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def started(job: Job, kind: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start `syncfree top` in a terminal of a kind (``TERM``); return the process and the terminal's other end."""
    terminal, other_end = pty.openpty()
    environment = {**job.environment, "TERM": kind, "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, stdin=other_end, stdout=other_end, start_new_session=True
    )
    os.close(other_end)
    return process, terminal


def read_until(terminal: int, expected: bytes, seconds: float = 30.0, below: bytes = b"q quits") -> bytes:
    seen, deadline = b"", time.monotonic() + seconds
    while expected not in seen or (below not in seen and b"1049l" not in expected):
        assert time.monotonic() < deadline, seen[-2000:]
        if select.select([terminal], [], [], 0.5)[0]:
            seen += os.read(terminal, 1 << 16)
    return seen
