"""The comparison of two implementations on recorded calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

from .._errors import SelectionError
from .._hook import Hook
from .._installed_torch import torch_text
from .._plugins import Plugins
from ..recording._files import read_calls
from ._comparison import Comparison, Part
from ._design import Design, Round, run_rounds
from ._replayed import Replayer, check_equal, implementation_of

Progress = Callable[[str, int], None]


def compare_replayed(
    hook: Hook, a: str, b: str, folder: Path, device: str | None, design: Design, plugins: Plugins, progress: Progress
) -> Comparison:
    """Compare two implementations on the calls in a folder.

    Raises:
        SelectionError: an unknown name.
        SyncfreeError: the recording or an implementation is broken.
    """
    if a == b:
        raise SelectionError(f"syncfree: {a!r} is given twice; the rounds of A against A are made without asking")
    if torch_text() is None:
        raise SelectionError("syncfree: recorded calls are replayed with torch, which is not installed here")
    import torch

    on = device or ("cuda" if torch.cuda.is_available() else "cpu")
    sides = {name: implementation_of(hook, name, plugins) for name in (a, b)}
    calls = read_calls(str(folder), hook.name)
    differences = check_equal(hook, calls, on, sides)
    functions = {"A": sides[a][0], "B": sides[b][0]}
    replayer = Replayer(hook, calls, on, design, functions)
    replayer.calibrate()
    ends = perf_counter() + design.budget_seconds

    def never(rounds: Sequence[Round]) -> bool:
        return False

    equal, _ = run_rounds(lambda side: replayer.block("A"), design.equal_rounds, ends, never, partial(progress, "equal"))
    rounds, stopped = run_rounds(replayer.block, design.most_rounds, ends, design.enough, partial(progress, "rounds"))
    if not rounds:
        raise SelectionError(f"syncfree: the budget of {design.budget_seconds:g} s was spent before the first round of A against B")
    source = {"kind": "replay", "folder": str(folder), "calls": len(calls), "device": on}
    return Comparison(hook.name, a, b, design, source, (Part("this process", tuple(equal), tuple(rounds), stopped),), tuple(differences))
