"""Jobs of made-up engines in processes of their own, for the tests of control."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from syncfree.control._client import find
from syncfree.control._directory import Entry
from syncfree.control._toggle import Outcome, toggle

ROOT = Path(__file__).parents[2]
SECONDS_TO_START = 300.0


class Member:
    """A process of a job."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    def told(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS_TO_START)
        assert ready, f"process {self.pid} does not answer"
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def ask(self, word: str) -> dict[str, Any]:
        self.say(word)
        return self.told()

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


class Job:
    """Processes that were started together, in a run directory of their own."""

    def __init__(self, folder: Path, name: str = "job") -> None:
        self.folder = folder
        self.name = name
        self.run_directory = folder / "run"
        self.members: list[Member] = []
        self.python = sys.executable

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SYNCFREE")}
        return {**inherited, "SYNCFREE_CONTROL": str(self.run_directory), "OMP_NUM_THREADS": "1"}

    def start(self, *arguments: str, prefix: tuple[str, ...] = (), **variables: str) -> Member:
        home = self.folder / f"process-{len(self.members)}"
        command = [*prefix, self.python, "-m", "tests.control.program", str(home), *arguments]
        chosen = {"SYNCFREE_JOB": self.name, "SYNCFREE_POSTPROCESS": "first"}
        variables = {**self.environment, **chosen, **variables}
        process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.members.append(Member(process))
        return self.members[-1]

    def start_ranks(self, size: int, **variables: str) -> None:
        for rank in range(size):
            self.start("--ranks", str(self.folder / "store"), str(rank), str(size), **variables)
        for member in self.members:
            member.told()

    def serve(self) -> None:
        for member in self.members:
            member.ask("serve")

    def entries(self) -> list[Entry]:
        return [entry for entry in find(self.environment).entries if entry.job == self.name]

    def toggle(self, seconds: float = 5.0, **choices: str) -> Outcome:
        return toggle(self.entries(), choices or None, seconds)

    def stop(self) -> list[dict[str, Any]]:
        """Stop serving, all members at once; return what they told."""
        for member in self.members:
            member.say("stop")
        return [member.told() for member in self.members]

    def end(self) -> None:
        for member in self.members:
            member.end()

    def command(
        self, *arguments: str, timeout: float = 60, prefix: tuple[str, ...] = (), **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of ours, as a user does in a shell."""
        program = "import sys; from syncfree.cli import main; sys.argv[0] = 'syncfree'; main()"
        return subprocess.run(
            [*prefix, sys.executable, "-c", program, *arguments],
            cwd=ROOT,
            env={**self.environment, "COLUMNS": "160", **variables},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until a condition holds; return its value."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return found
