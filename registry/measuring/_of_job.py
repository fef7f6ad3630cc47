"""The comparison of two choices of a hook in a job that runs already, switched and timed through its control sockets.

Each block: all processes switch; the calls and the time after the switch are left out; then the calls are timed in the
processes, and the load's figures read, until the block has lasted long enough. The job's own choice is back at the end, also
when the command is interrupted; when it is killed, each process takes the choice back by itself (`control._timed`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from statistics import median
from typing import Any

from .._errors import SelectionError
from .._hook import Hook
from .._selection import UPSTREAM
from ..control._client import Process
from ..control._timed import COMPARISON
from ..control._timing import Timing
from ..control._toggle import toggle
from ._comparison import FIGURES, Comparison, ComparisonError, Part
from ._design import CONTROL, Block, Design, Round, control, run_rounds
from ._load import Load

LOAD = "the load"
MACHINE = "this machine"
_SEPARATOR = "\n"
_SECONDS_TO_SWITCH = 20.0
_POLL_SECONDS = 0.1
_SECONDS_WITHOUT_A_CALL = 60.0

Progress = Callable[[str, int], None]


def compare_in_job(
    hook: Hook, a: str, b: str, processes: Sequence[Process], design: Design, settle: float, load: Load | None, progress: Progress
) -> Comparison:
    """Compare two choices in the processes of one job.

    Args:
        processes: all of the job's.
        settle: seconds after each switch that are not measured.
        load: what puts load on the job; None where something else does.

    Raises:
        SelectionError: the same choice twice.
        TimingError: a process ended or does not answer.
        ComparisonError: a process refuses a choice, nobody calls the hook, or the load fails.
    """
    if a == b:
        raise SelectionError(f"syncfree: {a!r} is given twice; the rounds of A against A are made without asking")
    job = _Job(hook, processes, design, settle, load)
    running: AbstractContextManager[Any] = load if load is not None else nullcontext()
    with Timing(job.entries, hook.name) as timing:
        try:
            # A hook whose upstream runs may not be bound; then only an implementation makes it so.
            job.switch(b if a == UPSTREAM else a)
            with running:
                parts = _parts(job, timing, a, b, design, progress)
        finally:
            job.go_back()
    reports = [process.report for process in processes if process.report is not None]
    source = {
        "kind": "job",
        "job": processes[0].job,
        "processes": [process.entry.pid for process in processes],
        "frameworks": {name: release for report in reports for name, release in report["frameworks"].items()},
        "load": None if load is None else load.command,
        "load_runs": 0 if load is None else load.runs,
        "notes": list(dict.fromkeys(job.notes)),
    }
    return Comparison(hook.name, a, b, design, source, parts)


def _parts(job: _Job, timing: Timing, a: str, b: str, design: Design, progress: Progress) -> tuple[Part, ...]:
    choices = {"A": a, "B": b}
    ends = time.perf_counter() + design.budget_seconds

    def enough(rounds: Sequence[Round]) -> bool:
        deciding = [of for name in _names(rounds) if (of := _of_part(rounds, name)) and design.figure in of[0].a[0]]
        if not deciding and design.figure not in FIGURES and rounds:
            raise ComparisonError(f"--figure {design.figure}: {job.why_no_figure(design.figure)}")
        return bool(deciding) and all(design.enough(of) for of in deciding)

    equal, _ = run_rounds(
        lambda side: job.block(timing, a), design.equal_rounds, ends, lambda rounds: False, partial(progress, "equal")
    )
    rounds, stopped = run_rounds(
        lambda side: job.block(timing, choices[side]), design.most_rounds, ends, enough, partial(progress, "rounds")
    )
    if not rounds:
        raise ComparisonError(f"the budget of {design.budget_seconds:g} s was spent before the first round of A against B")
    return tuple(
        Part(name, tuple(_of_part(equal, name)), found, stopped)
        for name in _names(rounds)
        if (found := tuple(_of_part(rounds, name)))
    )


class _Job:
    """The job while it is compared."""

    def __init__(self, hook: Hook, processes: Sequence[Process], design: Design, settle: float, load: Load | None) -> None:
        self.entries = [process.entry for process in processes]
        self.notes: list[str] = []
        self._hook = hook
        self._design = design
        self._settle = settle
        self._load = load

    def switch(self, choice: str) -> None:
        """Switch all processes.

        Raises:
            ComparisonError: one of them refuses, or the hook has no place in any.
        """
        outcome = toggle(self.entries, {self._hook.name: choice}, _SECONDS_TO_SWITCH, COMPARISON)
        if not outcome.switched:
            raise ComparisonError(f"{self._hook.name}={choice} cannot be switched to: {'; '.join(outcome.problems)}")
        if any("no process of the job has a place for it" in note for note in outcome.notes):
            raise ComparisonError(f"no process of the job has a place for {self._hook.name}; `syncfree ps` lists the hooks that have")
        self.notes += outcome.notes

    def why_no_figure(self, name: str) -> str:
        """Return why a figure of the load is in no block, and the next step."""
        if self._load is not None and (line := self._load.unusable(name)):
            return f"the load printed no number above 0 for it, but {line!r}"
        return "the load printed no such figure in a block; make blocks longer (--block-ms)"

    def go_back(self) -> None:
        """Take back the comparison's choice in all processes. Raises `ComparisonError` where that fails."""
        outcome = toggle(self.entries, None, _SECONDS_TO_SWITCH, COMPARISON)
        if not outcome.switched:
            raise ComparisonError(
                f"the job may not have its own choice of {self._hook.name} again: {'; '.join(outcome.problems)}. See `syncfree ps`; "
                "`syncfree toggle --reset` takes every toggle back"
            )

    def block(self, timing: Timing, choice: str) -> Block:
        """Make one block; return its figures, each named by its part and its figure."""
        self.switch(choice)
        if self._load is not None and self._load.once:
            self._load.start()
        self._wait(self._settle, lambda since: True, timing)
        timing.begin(choice)
        began = time.perf_counter()
        fixed = self._wait(self._design.block_seconds, lambda since: self._is_complete(since, timing), timing)
        found = timing.end(self._design.warm_up)
        if self._load is not None:
            # A command that runs once says its figures at its end, which are those of the whole run.
            found[LOAD] = self._load.figures(began, time.perf_counter())
        found[MACHINE] = {CONTROL: fixed}
        return {f"{part}{_SEPARATOR}{name}": value for part, figures in found.items() for name, value in figures.items()}

    def _is_complete(self, since: float, timing: Timing) -> bool:
        if self._load is not None and self._load.once:
            if since > self._design.budget_seconds and self._load.is_running:
                raise ComparisonError(
                    f"one run of the load takes longer than the budget of {self._design.budget_seconds:g} s for all rounds; a round has "
                    "four runs: give a load that ends sooner, or more time with --budget"
                )
            return not self._load.is_running
        calls = timing.calls()
        if since > _SECONDS_WITHOUT_A_CALL and not calls:
            raise ComparisonError(
                f"no call of {self._hook.name} in {_SECONDS_WITHOUT_A_CALL:g} s: put load on the job that reaches it (--load), and see "
                "`syncfree ps` for its choice, which a program may have switched itself"
            )
        return calls >= self._design.warm_up + 2

    def _wait(self, seconds: float, is_over: Callable[[float], bool], timing: Timing) -> float:
        """Wait this long, and then until it is over, given the seconds so far; return the median time of fixed work meanwhile."""
        began, fixed = time.perf_counter(), [control()]
        while (since := time.perf_counter() - began) < seconds or not is_over(since):
            time.sleep(max(min(_POLL_SECONDS, seconds - since), 0.005))
            fixed.append(control())
            timing.calls()  # also tells the processes that somebody is there
            if self._load is not None:
                self._load.check()
        return median(fixed)


def _names(rounds: Sequence[Round]) -> list[str]:
    """Return the parts that have figures."""
    names = [name for each in rounds for block in (*each.a, *each.b) for name in block]
    return list(dict.fromkeys(name.partition(_SEPARATOR)[0] for name in names))


def _of_part(rounds: Sequence[Round], part: str) -> list[Round]:
    """Return the rounds of one part: those in which each block has a figure of it."""
    prefix = f"{part}{_SEPARATOR}"

    def own(blocks: tuple[Block, Block]) -> tuple[Block, Block]:
        first, second = ({name.removeprefix(prefix): of[name] for name in of if name.startswith(prefix)} for of in blocks)
        return first, second

    found = [Round(own(each.a), own(each.b)) for each in rounds]
    return [each for each in found if all((*each.a, *each.b))]
