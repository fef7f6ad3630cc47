"""One case and its count. Runs inside a framework's environment, on the simulated device."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from syncfree.audit import Report, audit, simulated


@dataclass(frozen=True, slots=True)
class Count:
    """Host syncs of one class or function.

    Attributes:
        prepare: of ``set_timesteps``, or of what a request costs before its first step.
        steps: of each step or call.
        sites: each call site of the steps, as text.
        error: why it could not be run; then the rest is empty.
    """

    name: str
    prepare: int
    steps: list[int]
    sites: list[str]
    error: str = ""


Case = tuple[str, Callable[[], tuple[Report, Report]]]
"""A name, and a function that returns the reports of the preparation and of the steps."""


def count(name: str, run: Callable[[], tuple[Report, Report]]) -> Count:
    """Run one case; what cannot run says why in the table."""
    try:
        prepare, steps = run()
    except Exception as error:  # noqa: BLE001  (whatever an old release raises under a new torch belongs in the table)
        return Count(name, 0, [], [], f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
    return Count(
        name, prepare.count, steps.per_step(), [f"{site.count} x {site.kind} {site.where}" for site in steps.sites()]
    )


def main(framework: str, cases: Callable[[], Iterable[Case]]) -> None:
    """Count every case and print JSON; with the argument ``ours``, after the framework's hooks were loaded."""
    warnings.simplefilter("ignore")  # deprecations of old releases under a new torch
    simulated.install()
    found = [count(name, run) for name, run in _loaded(framework, cases)]
    print("\n" + json.dumps([asdict(one) for one in found]))


def _loaded(framework: str, cases: Callable[[], Iterable[Case]]) -> list[Case]:
    ready = list(cases())  # imports the framework
    if sys.argv[1:] == ["ours"]:
        import syncfree

        syncfree.load(framework)
    return ready


__all__ = ["Case", "Count", "audit", "main"]
