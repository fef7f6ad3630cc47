"""Agreement between ranks: their plans when they start, and their choices when a lockstep hook switches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ._errors import SelectionError
from ._log import Log
from ._plan import Entry, Plan
from ._process_group import process_identity, publish, rank_count
from ._selection import UPSTREAM

SECONDS_TO_WAIT = 60.0
"""The time for which a rank that starts or switches waits for the others."""

_GIVEN_UP = "given up"
_SHOWN = 4


def agree(choices: Mapping[str, str], problems: list[str], seconds: float = SECONDS_TO_WAIT) -> list[str]:
    """Compare choices over the default process group; every rank must call it. Return the disagreements, on every rank.

    A rank that cannot switch reports that, and one that does not call in time is named; then no rank switches. A rank that
    calls later sees that the others have given up, and no rank waits for longer than `seconds`.
    """
    report = {"choices": dict(choices), "cannot": bool(problems)}
    published = publish("syncfree/switch", report, in_rounds=True)
    while published.outcome == _GIVEN_UP:  # a round that ended before this rank took part
        published = publish("syncfree/switch", report, in_rounds=True)
    silent = published.wait(seconds)
    if published.settle(_GIVEN_UP if silent else "complete") == _GIVEN_UP:
        who = _named(silent) if silent else "this rank"
        return [f"{who} did not call syncfree.use(..., all_ranks=True) within {seconds:g} s of the others"]
    reports = published.read()
    found = [f"rank {rank} cannot switch" for rank, each in reports.items() if each["cannot"] and rank != published.rank]
    if len({tuple(sorted(each["choices"].items())) for each in reports.values()}) > 1:
        found.append("the ranks chose differently: " + ", ".join(f"rank {r}: {each['choices']}" for r, each in reports.items()))
    return found


def compare_plans(plan: Plan, log: Log, seconds: float = SECONDS_TO_WAIT) -> None:
    """Publish this rank's plan and compare it with the others; each rank calls it once its process group exists.

    A job of one rank returns at once. Equal manifests log nothing; differences between hooks that are not in lockstep, and
    ranks that publish no plan, are logged as warnings.

    Raises:
        SelectionError: the ranks chose differently for a lockstep hook, or one rank replaces such a hook and another did
            not publish its plan in time. Every rank that published its plan raises it.
    """
    if rank_count() == 1:
        return
    published = publish("syncfree/plan", {"manifest": plan.manifest, **_choices(plan), **process_identity()}, in_rounds=True)
    silent = published.wait(seconds)
    plans = published.read()
    errors: list[str] = []
    if len({each["manifest"] for each in plans.values()}) > 1:
        errors += _differences(plans, log)
    if silent:
        why = "syncfree is off or missing there, or that rank failed to start"
        ranks = f"{_named(silent)} did not publish a plan within {seconds:g} s: {why}"
        lockstep = sorted({name for each in plans.values() for name in each["lockstep"]})
        if lockstep:
            errors.append(f"{ranks}, while {_named(plans)} replaced {', '.join(lockstep)}, which could hang")
        else:
            log.warning("syncfree: %s", ranks)
    if errors:
        raise SelectionError("syncfree: " + "; ".join(errors))


def _differences(plans: Mapping[int, dict[str, Any]], log: Log) -> list[str]:
    """Warn about the hooks that ranks chose differently; return the errors for those in lockstep."""
    errors = []
    lockstep = {name for each in plans.values() for name in each["lockstep"]}
    for name in sorted({name for each in plans.values() for name in each["choices"]}):
        ranks: dict[str, list[int]] = {}
        for rank, plan in plans.items():
            ranks.setdefault(plan["choices"].get(name, UPSTREAM), []).append(rank)
        if len(ranks) == 1:
            continue
        where = "; ".join(f"{choice} on {_named(of, plans)}" for choice, of in ranks.items())
        message = f"the ranks differ in {name}: {where}"
        if name in lockstep:
            variable = f"SYNCFREE_{name.partition(' ')[0].upper()}"
            errors.append(f"{message}. That could hang: give {variable} and SYNCFREE_CONFIG the same value on every rank")
        else:
            log.warning("syncfree: %s", message)
    return errors


def _choices(plan: Plan) -> dict[str, Any]:
    def name(entry: Entry) -> str:
        return f"{entry.hook} at {entry.targets[0]}"

    lockstep = [name(entry) for entry in plan if entry.lockstep and entry.choice != UPSTREAM]
    choices = {name(entry): entry.choice for entry in plan}
    releases = {f"the release of {entry.framework}": entry.version for entry in plan}
    return {"choices": {**choices, **releases}, "lockstep": lockstep}


def _named(ranks: Iterable[int], plans: Mapping[int, dict[str, Any]] | None = None) -> str:
    """Return ranks for a message, with the process and host of each that published a plan."""
    found: Sequence[int] = sorted(ranks)
    shown = [
        f"{rank} (pid {plans[rank]['pid']} on {plans[rank]['host']})" if plans and rank in plans else str(rank)
        for rank in found[:_SHOWN]
    ]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"rank{'s' if len(found) > 1 else ''} {', '.join(shown)}{more}"
