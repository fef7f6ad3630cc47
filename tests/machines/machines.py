"""Made-up machines: each is a set of namespaces of the kernel with a network, process ids, a hostname and memory of its own.

It shares the file system of the real machine, apart from `/dev/shm`, and the kernel, but no process sees one of another machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from syncfree.control._client import find
from syncfree.control._directory import Entry
from syncfree.control._toggle import Outcome, toggle
from tests.control.jobs import ROOT, Job, Member, eventually

NAMESPACES = ("--net", "--pid", "--mount", "--uts", "--ipc")
STARTED = "mount -t tmpfs none /dev/shm && hostname {name} && ip link set lo up && echo started && exec sleep infinity"
FORBIDDEN = "this test needs root, util-linux and iproute2, and a kernel or container that allows new namespaces: "


class Forbidden(Exception):
    """This kernel or container makes no namespaces."""


class Machine:
    """One made-up machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        script = STARTED.format(name=name)
        self._keeper = subprocess.Popen(
            ["unshare", *NAMESPACES, "--fork", "--mount-proc", "--kill-child", "sh", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._keeper.stdout is not None
        said = self._keeper.stdout.readline()
        if said != "started\n":
            self.end()
            raise Forbidden(FORBIDDEN + said.strip())
        self.pid = child_of(self._keeper.pid)

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return what starts a command here."""
        return ("nsenter", "--target", str(self.pid), *NAMESPACES, f"--wd={ROOT}", "--")

    def run(self, *command: str) -> str:
        return subprocess.run([*self.prefix, *command], check=True, capture_output=True, text=True).stdout.strip()

    def end(self) -> None:
        """End it, and with its first process all others."""
        self._keeper.kill()
        self._keeper.wait()
        if self._keeper.stdout is not None:
            self._keeper.stdout.close()


class Cluster:
    """Two machines joined by a cable, and a job whose ranks are spread over them in turn."""

    def __init__(self, folder: Path) -> None:
        self.machines: list[Machine] = []
        try:
            for name in ("first-machine", "second-machine"):
                self.machines.append(Machine(name))
        except BaseException:
            self.end()
            raise
        first, second = self.machines
        cable = ["ip", "link", "add", "cable", "netns", str(first.pid), "type", "veth", "peer", "name", "cable", "netns", str(second.pid)]
        subprocess.run(cable, check=True, capture_output=True)
        for number, machine in enumerate(self.machines, 1):
            machine.run("ip", "address", "add", f"10.77.0.{number}/24", "dev", "cable")
            machine.run("ip", "link", "set", "cable", "up")
        self.job = Job(folder)

    def start_ranks(self, size: int, **variables: str) -> None:
        for rank in range(size):
            machine = self.machines[rank % 2]
            own = {"GLOO_SOCKET_IFNAME": "cable", "SYNCFREE_CONTROL": self.run_directory(rank % 2), "SYNCFREE_JOB": machine.name}
            store = "tcp://10.77.0.1:29500"
            self.job.start("--ranks", store, str(rank), str(size), prefix=machine.prefix, **{**own, **variables})
        for member in self.members:
            member.told()

    def started(self, size: int) -> None:
        """Start ranks that serve, of which a toggle on one machine reaches all."""
        self.start_ranks(size)
        eventually(self.following, 120.0)
        self.job.serve()

    @property
    def members(self) -> list[Member]:
        return self.job.members

    def run_directory(self, machine: int) -> str:
        return str(self.job.folder / f"run-{machine}")

    def entries(self, machine: int = 0) -> list[Entry]:
        return list(find({"SYNCFREE_CONTROL": self.run_directory(machine)}).entries)

    def toggle(self, seconds: float = 20.0, machine: int = 0, **choices: str) -> Outcome:
        """Toggle as a command on one machine does."""
        return toggle(self.entries(machine), choices or None, seconds)

    def command(self, machine: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours on one machine."""
        program = "import sys; from syncfree.cli import main; sys.argv[0] = 'syncfree'; main()"
        environment = {**self.job.environment, "COLUMNS": "160", "SYNCFREE_CONTROL": self.run_directory(machine)}
        command = [*self.machines[machine].prefix, sys.executable, "-c", program, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def signal(self, rank: int, number: signal.Signals) -> None:
        """Send a signal to a rank itself, not to what brought it onto its machine."""
        os.kill(child_of(self.members[rank].pid), number)

    def choices(self, *hooks: str) -> list[list[str]]:
        return [[told["choices"][hook] for hook in hooks] for told in (member.ask("report") for member in self.members)]

    def following(self, machine: int = 0) -> bool:
        """Return whether a toggle on this machine reaches all ranks."""
        outcome = self.toggle(5.0, machine)
        return outcome.switched and len(outcome.elsewhere) == len(self.members) - len(self.entries(machine))

    def end(self) -> None:
        for machine in self.machines:
            machine.end()
        if hasattr(self, "job"):
            self.job.end()


def child_of(pid: int) -> int:
    """The only child of a process, once it has one."""
    return int(eventually(lambda: Path(f"/proc/{pid}/task/{pid}/children").read_text().split())[0])
