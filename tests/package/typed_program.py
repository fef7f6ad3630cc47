"""A user's program, for type checkers alone: what they know of the installed package's public names."""

from __future__ import annotations

from typing import assert_type

import syncfree
from syncfree import Comparison, Counts, Entry, Plan, Use
from syncfree.audit import PinnedMemoryRace, Report, SyncBudgetExceeded, allow, audit, step


@syncfree.hookimpl(exact=True, host_syncs=0, needs=("torch",))
def postprocess(decoded: list[float]) -> list[float]:
    return [value * 0.5 + 0.5 for value in decoded]


PLUGIN = syncfree.implementations("acme_frames", exact=True, needs=("torch",), hooks=("qk_norm",))


def work() -> None:
    postprocess([0.0])


def switched() -> None:
    with syncfree.use(scheduler_step="sync_free", all_ranks=False) as choice:
        work()
    assert_type(choice, Use)
    syncfree.restore()


def described() -> dict[str, int]:
    plan = syncfree.plan()
    assert_type(plan, Plan)
    for entry in plan:
        assert_type(entry, Entry)
        assert_type(entry.hook, str)
    calls = syncfree.counters()
    assert_type(calls, dict[str, dict[str, dict[str, Counts]]])
    return {choice: counts.calls for targets in calls.values() for by_choice in targets.values() for choice, counts in by_choice.items()}


def compared() -> float:
    found = syncfree.compare(work, a="upstream", b="sync_free", hooks=("scheduler_step",), pairs=10)
    assert_type(found, Comparison)
    return found.ratio


def audited() -> int:
    try:
        with audit(budget=0) as report:
            step("decode")
            with allow("the token is read here"):
                work()
        assert_type(report, Report)
    except SyncBudgetExceeded as error:
        assert_type(error.report, Report)
        return error.report.count
    except (PinnedMemoryRace, syncfree.SelectionError):
        return -1
    return len(report)
