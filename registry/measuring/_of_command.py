"""The comparison of two choices of a hook inside of a program that is run for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .._errors import SelectionError
from .._hook import Hook
from .._plugins import Plugins
from .._selection import UPSTREAM
from .._variables import AB
from ._comparison import Comparison, ComparisonError, Part
from ._design import Design, Round, round_of
from ._order import Order

_POLL_SECONDS = 0.2
_SECONDS_TO_END = 30.0

Progress = Callable[[str, int], None]


def compare_in_command(
    hook: Hook, a: str, b: str, command: Sequence[str], design: Design, plugins: Plugins, progress: Progress
) -> Comparison:
    """Run a command, whose processes switch the hook between blocks; end it when there are enough rounds.

    Raises:
        SelectionError: a name that is given twice, a hook in lockstep, or the command cannot be started.
        ComparisonError: the program did not measure anything.
    """
    _check(hook, a, b, plugins)
    with tempfile.TemporaryDirectory(prefix="syncfree-ab-") as folder:
        order = Order(folder, hook.name, a, b, design)
        order.write()
        # Chosen from the start, because a hook whose upstream runs may not be bound at all.
        variables = {AB: folder, hook.variable: a if b == UPSTREAM else b}
        try:
            program = subprocess.Popen(list(command), env={**os.environ, **variables})
        except OSError as error:
            raise SelectionError(f"{command[0]} cannot be started: {error.strerror}") from error
        try:
            stopped = _watch(program, order, progress)
        finally:
            order.stop()
            _end(program)
        parts = _parts(Path(folder), stopped)
    if not any(part.rounds for part in parts):
        raise ComparisonError(
            f"no round of {hook.name} was made: {stopped}. See syncfree doctor for where the hook is bound, and whether the "
            "program calls it"
        )
    source = {"kind": "command", "command": list(command), "status": program.returncode}
    return Comparison(hook.name, a, b, design, source, tuple(part for part in parts if part.rounds))


def _check(hook: Hook, a: str, b: str, plugins: Plugins) -> None:
    given = plugins.implementations.get(hook.name, {})
    # A name that is unknown here may be a plugin that the program registers; if not, its processes say so.
    if a == b:
        raise SelectionError(f"syncfree: {a!r} is given twice; the rounds of A against A are made without asking")
    if hook.lockstep or any(name in given and given[name].lockstep for name in (a, b)):
        raise SelectionError(
            f"syncfree: {hook.name} must switch on all ranks at the same call, which these processes do not: "
            "use syncfree.compare(..., all_ranks=True) in the program"
        )


def _watch(program: subprocess.Popen[bytes], order: Order, progress: Progress) -> str:
    """Wait until the program has made enough rounds, the time is up, or it has ended; return which."""
    begun: float | None = None
    while program.poll() is None:
        time.sleep(_POLL_SECONDS)
        parts = _parts(Path(order.folder), "")
        if not parts:
            continue
        begun = begun or time.monotonic()  # the time that the program takes to start is not in the budget
        progress("equal", min(len(part.equal) for part in parts))
        progress("rounds", min(len(part.rounds) for part in parts))
        measured = [part for part in parts if part.rounds]
        if measured and all(order.design.enough(part.rounds) for part in measured):
            return "the interval is narrow enough"
        if measured and all(len(part.rounds) >= order.design.most_rounds for part in measured):
            return "all rounds are made"
        if time.monotonic() - begun > order.design.budget_seconds:
            return "the time is up"
    return f"the program ended with status {program.returncode}"


def _end(program: subprocess.Popen[bytes]) -> None:
    """End the program that was started, if it still runs."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if program.poll() is None:
            program.send_signal(number)
            try:
                program.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                continue


def _parts(folder: Path, stopped: str) -> list[Part]:
    """Return the rounds so far, by process and target.

    Raises:
        ComparisonError: a process could not switch.
    """
    found = []
    for file in sorted(folder.glob("*.jsonl")):
        lines = _lines(file)
        targets = dict.fromkeys(target for line in lines for block in line["blocks"] for target in block)
        for target in targets:
            by_phase = {phase: _rounds(lines, phase, target) for phase in ("equal", "rounds")}
            found.append(Part(f"pid {file.stem}, {target}", by_phase["equal"], by_phase["rounds"], stopped))
    return found


def _lines(file: Path) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for text in file.read_text("utf-8").splitlines(keepends=True):
        if not text.endswith("\n"):
            break  # it is being written
        line = json.loads(text)
        if "error" in line:
            raise ComparisonError(f"process {file.stem} cannot switch: {line['error']}")
        lines.append(line)
    return lines


def _rounds(lines: Sequence[Mapping[str, Any]], phase: str, target: str) -> tuple[Round, ...]:
    return tuple(
        round_of(line["order"], [block[target] for block in line["blocks"]])
        for line in lines
        if line["phase"] == phase and all(target in block for block in line["blocks"])
    )
