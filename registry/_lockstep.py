"""Agreement between ranks: their plans when they start, and their choices when a lockstep hook switches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ._errors import SelectionError
from ._log import Log
from ._plan import Entry, Plan
from ._process_group import process_identity, publish, rank_count
from ._select import UPSTREAM

SECONDS_TO_WAIT = 60.0
"""How long a rank that starts or switches waits for the others."""

_GIVEN_UP = "given up"
_SHOWN = 4


def agree(choices: Mapping[str, str], problems: list[str], seconds: float = SECONDS_TO_WAIT) -> list[str]:
    """Compare choices over the default process group; every rank must call it. Return the disagreements, on every rank.

    A rank that cannot switch says so, and one that does not call in time is named; then no rank switches. A rank that calls
    later finds that the others have given up, and no rank waits for longer than `seconds`.
    """
    mine = {"choices": dict(choices), "cannot": bool(problems)}
    published = publish("syncfree/switch", mine, in_rounds=True)
    while published.outcome == _GIVEN_UP:  # a round of the others, while this rank did something else
        published = publish("syncfree/switch", mine, in_rounds=True)
    silent = published.wait(seconds)
    if published.settle(_GIVEN_UP if silent else "complete") == _GIVEN_UP:
        who = _named(silent) if silent else "this rank"
        return [f"{who} did not call syncfree.use(..., all_ranks=True) within {seconds:g} s of the others"]
    by_rank = published.read()
    found = [f"rank {rank} cannot switch" for rank, said in by_rank.items() if said["cannot"] and rank != published.rank]
    if len({tuple(sorted(said["choices"].items())) for said in by_rank.values()}) > 1:
        found.append("the ranks chose differently: " + ", ".join(f"rank {r}: {s['choices']}" for r, s in by_rank.items()))
    return found


def compare_plans(plan: Plan, log: Log, seconds: float = SECONDS_TO_WAIT) -> None:
    """Tell this rank's plan to the others and compare; each rank calls it once its process group exists.

    One rank alone returns at once. Where the manifests are equal nothing is said; differences between hooks that are not in
    lockstep, and ranks that say nothing, are logged as warnings.

    Raises:
        SelectionError: the ranks chose differently for a lockstep hook, or a rank replaces one and another did not tell
            its plan in time. Every rank that tells its plan raises it.
    """
    if rank_count() == 1:
        return
    published = publish("syncfree/plan", {"manifest": plan.manifest, **_choices(plan), **process_identity()}, in_rounds=True)
    silent = published.wait(seconds)
    by_rank = published.read()
    errors: list[str] = []
    if len({said["manifest"] for said in by_rank.values()}) > 1:
        errors += _differences(by_rank, log)
    if silent:
        why = "syncfree is off or missing there, or that rank failed to start"
        ranks = f"{_named(silent)} did not tell the plan within {seconds:g} s: {why}"
        lockstep = sorted({name for said in by_rank.values() for name in said["lockstep"]})
        if lockstep:
            errors.append(f"{ranks}, while {_named(by_rank)} replaced {', '.join(lockstep)}, which could hang")
        else:
            log.warning("syncfree: %s", ranks)
    if errors:
        raise SelectionError("syncfree: " + "; ".join(errors))


def _differences(by_rank: Mapping[int, dict[str, Any]], log: Log) -> list[str]:
    """Warn of the hooks that ranks chose differently; return the errors for those in lockstep."""
    errors = []
    lockstep = {name for said in by_rank.values() for name in said["lockstep"]}
    for name in sorted({name for said in by_rank.values() for name in said["choices"]}):
        ranks: dict[str, list[int]] = {}
        for rank, said in by_rank.items():
            ranks.setdefault(said["choices"].get(name, UPSTREAM), []).append(rank)
        if len(ranks) == 1:
            continue
        where = "; ".join(f"{choice} on {_named(of, by_rank)}" for choice, of in ranks.items())
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


def _named(ranks: Iterable[int], by_rank: Mapping[int, dict[str, Any]] | None = None) -> str:
    """Ranks for a message, with where they run when that is known."""
    found: Sequence[int] = sorted(ranks)
    shown = [
        f"{rank} (pid {by_rank[rank]['pid']} on {by_rank[rank]['host']})" if by_rank and rank in by_rank else str(rank)
        for rank in found[:_SHOWN]
    ]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"rank{'s' if len(found) > 1 else ''} {', '.join(shown)}{more}"
