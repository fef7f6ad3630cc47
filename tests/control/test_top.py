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
    terminal, other_end = pty.openpty()
    environment = {**job.environment, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, stdin=other_end, stdout=other_end, start_new_session=True
    )
    os.close(other_end)
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


def read_until(terminal: int, expected: bytes, seconds: float = 30.0) -> bytes:
    seen, deadline = b"", time.monotonic() + seconds
    while expected not in seen or (b"q quits" not in seen and b"1049l" not in expected):
        assert time.monotonic() < deadline, seen[-2000:]
        if select.select([terminal], [], [], 0.5)[0]:
            seen += os.read(terminal, 1 << 16)
    return seen
