"""Watch every process that a command starts, from the auditing process.

The auditing process is the subreaper of the command: when a process's parent ends, the process becomes its child, whatever
its session and environment are, so that it can trace every process of the command back to itself. It polls up to twenty
times a second; a process that it misses lived too short to import torch.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from . import _proc

_PERIOD = 0.05
_LONGEST_PERIOD = 0.1
_SHARE = 0.05  # of one processor, for polling
_FILES_PERIOD = 0.2
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Program:
    """The program of one exec, in the process that made it and those that it forked.

    Attributes:
        image: its addresses, see `_proc.Stat`; empty where they cannot be read.
        is_random: no other program has these addresses.
        pid: the first process seen with it.
        lived: an upper bound for the lifetime of its processes, in seconds.
    """

    image: str
    is_random: bool
    pid: int
    argv: list[str]
    environment: dict[str, str]
    is_python: bool = False
    has_torch: bool = False
    lived: float = 0.0


@dataclass(slots=True)
class Member:
    """A process of the command."""

    pid: int
    started: int
    program: Program
    since: float
    has_torch: bool = False
    looked_at_files: float = 0.0
    has_ended: bool = False


class Watch:
    """The processes of one command; make this before the command is started.

    Attributes:
        command: the process that the caller waits for; this class waits for all other children of the auditing process.
    """

    def __init__(self) -> None:
        self.command = 0
        self._own_pid = os.getpid()
        self._programs: dict[str, Program] = {}
        self._members: dict[int, Member] = {}
        self._foreign = _listed()
        self._now = self._before = time.monotonic()

    @property
    def programs(self) -> list[Program]:
        """All programs seen so far, oldest first, without the auditing one, which a child has between fork and exec."""
        own = _proc.stat(self._own_pid)
        return [program for program in self._programs.values() if own is None or program.image != own.image]

    def living(self) -> list[Member]:
        """Return the processes that had not ended at the last poll."""
        return [member for member in self._members.values() if not member.has_ended]

    def is_member(self, pid: int) -> bool:
        """Return whether this is a process of the command."""
        return pid in self._members

    def look(self) -> float:
        """Poll once; return the seconds to wait before the next poll."""
        self._before, self._now = self._now, time.monotonic()
        self._find_new()
        for member in list(self._members.values()):
            self._look_at(member)
        return min(max(_PERIOD, (time.monotonic() - self._now) / _SHARE), _LONGEST_PERIOD)

    def _find_new(self) -> None:
        listed = _listed()
        self._foreign = {pid: inode for pid, inode in self._foreign.items() if listed.get(pid) == inode}
        pids = listed.keys() - self._foreign.keys() - self._members.keys() - {self._own_pid}
        found = [stat for pid in pids if (stat := _proc.stat(pid)) is not None]
        while decided := [stat for stat in found if self._is_decided(stat)]:
            for stat in decided:
                if stat.parent == self._own_pid or stat.parent in self._members:
                    self._adopt(stat)
                else:
                    self._foreign[stat.pid] = listed[stat.pid]
            found = [stat for stat in found if stat not in decided]
        # The rest have a parent that was not listed yet; the next poll finds both.

    def _is_decided(self, stat: _proc.Stat) -> bool:
        known = stat.parent == self._own_pid or stat.parent in self._members or stat.parent in self._foreign
        return known or stat.parent == 0  # 0 is outside this container

    def _adopt(self, stat: _proc.Stat) -> None:
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - stat.started / _TICKS
        since = min(max(self._before, self._now - age), self._now)
        self._members[stat.pid] = Member(stat.pid, stat.started, self._program(stat), since)

    def _program(self, stat: _proc.Stat) -> Program:
        argv = _proc.arguments(stat.pid)
        is_random = bool(stat.image) and _proc.has_random_addresses(stat.pid)
        identity = stat.image if is_random else "\0".join([stat.image or f"{stat.pid} {stat.started}", *argv])
        program = self._programs.get(identity)
        if program is None:
            program = Program(stat.image, is_random, stat.pid, argv, _proc.environment(stat.pid))
            # A process that this user may not inspect is recognized by its name.
            program.is_python = not stat.image and os.path.basename(argv[0]).startswith(("python", "pypy"))
            self._programs[identity] = program
        return program

    def _look_at(self, member: Member) -> None:
        stat = _proc.stat(member.pid)
        if stat is not None and stat.started != member.started:
            stat = None  # the pid was reused
        if not member.has_ended:
            member.program.lived = max(member.program.lived, self._now - member.since)
        if stat is None:
            del self._members[member.pid]
        elif stat.is_zombie:
            member.has_ended = True
            if stat.parent == self._own_pid and member.pid != self.command:
                os.waitpid(member.pid, os.WNOHANG)
        else:
            if stat.image and stat.image != member.program.image:
                member.program, member.since = self._program(stat), self._before
                member.has_torch, member.looked_at_files = False, 0.0
            self._look_at_files(member)

    def _look_at_files(self, member: Member) -> None:
        program = member.program
        if (program.is_python and member.has_torch) or self._now - member.looked_at_files < _FILES_PERIOD:
            return
        files = _proc.files(member.pid)
        if files is not None:
            member.looked_at_files, member.has_torch = self._now, files.of_torch
            program.is_python |= files.of_python
            program.has_torch |= files.of_torch


def _listed() -> dict[int, int]:
    """Return all pids, each with the inode that distinguishes the process from a later one of the same pid."""
    with os.scandir("/proc") as entries:
        return {int(entry.name): entry.inode() for entry in entries if entry.name.isdigit()}
