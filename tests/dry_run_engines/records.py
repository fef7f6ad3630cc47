"""The record of a run: one JSON file for each engine, which docs/waits.md is made of.

::

    framework, release   "vllm", "0.32.0"
    torch, capability    "2.13.0+cu130", "9.0"
    engine               "V1, eager": everything that tells this engine from another one of the release
    start_seconds        wall time from the start of the process until the engine takes requests
    values               whether operators were computed on the host
    unreal               operators that could not be, with `values`
    date                 of the run
    cases                a list of:
        case             "LoRA mapping changes"
        hook             the hook that this case is about, or null
        hook_sites       ["file function", ...]: where upstream waits, without the hook
        steps            number of steps of the engine
        off, on          with SYNCFREE=off, and with the default choices:
            waits               in all steps, by all threads
            waits_by_step       the same, for each step
            sites               a list of {at: "file:line function", operator, waits, per_step}, most waits first
            launches_per_step   of kernels and graphs
            copies_per_step     by kind
            calls               of the hook's implementations other than upstream's
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
COUNTS = ("waits", "waits_by_step", "sites", "launches_per_step", "copies_per_step", "calls")


@dataclass(frozen=True, slots=True)
class Expected:
    """The expectations of a case.

    Attributes:
        case: its name in the record.
        hook: the hook that it is about; None for a case that only shows what waits.
        waits: at the hook's sites in the whole run, with hooks off; 0 for a hook that saves host time and no wait.
        sites: ``file function`` of each of them.
        left: of these waits, what remains with hooks on.
    """

    case: str
    hook: str | None = None
    waits: int = 0
    sites: tuple[str, ...] = ()
    left: int = 0

    def on_rank(self, rank: int) -> Expected:
        """The same, of one rank of several."""
        return replace(self, case=f"{self.case}, rank {rank}")


def row(expected: Expected, off: Mapping[str, Any], on: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of one case, from what a program told of its runs without hooks and with them."""
    return {
        "case": expected.case,
        "hook": expected.hook,
        "hook_sites": list(expected.sites),
        "steps": off["steps"],
        "off": {name: off[name] for name in COUNTS},
        "on": {name: on[name] for name in COUNTS},
    }


def check(found: Mapping[str, Any], expected: Expected, per_step: tuple[str, ...] = ()) -> None:
    """Assert that a hook was called and that the declared waits are gone; of a case without hook, that none was added.

    `per_step` are places where the engine waits in each step, however many steps it makes: one may come after the last token.
    """
    off, on = found["off"], found["on"]
    others = [told["waits"] - waits_at(told["sites"], per_step) for told in (off, on)]
    assert others[1] <= others[0], (off["sites"], on["sites"])
    added = [site for site in on["sites"] if site["at"].startswith("syncfree/")]
    assert not [site for site in added if place(site["at"]) not in expected.sites], added
    if expected.hook is not None:
        assert off["calls"] == 0
        assert on["calls"] > 0
        assert waits_at(off["sites"], expected.sites) == expected.waits, off["sites"]
        assert waits_at(on["sites"], expected.sites) == expected.left, on["sites"]


def waits_at(sites: Iterable[Mapping[str, Any]], places: Iterable[str]) -> int:
    """Return the number of waits at some ``file function`` places."""
    wanted = set(places)
    return sum(site["waits"] for site in sites if place(site["at"]) in wanted)


def place(at: str) -> str:
    """Return ``file:line function`` without the line, which differs between releases."""
    return re.sub(r":\d+ ", " ", at)


def write(
    framework: str, release: str, engine: str, about: Mapping[str, Any], cases: list[dict[str, Any]], results: Path = RESULTS
) -> Path:
    """Write the record of one engine; return its file."""
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    head = {"framework": framework, "release": release, "engine": engine, **about, "date": date}
    path = results / f"{framework}-{release}-{re.sub(r'[^a-z0-9]+', '-', engine.lower())}.json"
    path.write_text(json.dumps({**head, "cases": cases}, indent=1) + "\n", "utf-8")
    return path


def load(results: Path = RESULTS) -> list[dict[str, Any]]:
    """Return all records, by framework, release and engine."""
    found = [json.loads(path.read_text("utf-8")) for path in results.glob("*.json")]
    return sorted(found, key=lambda one: (one["framework"], [int(n) for n in re.findall(r"\d+", one["release"])], one["engine"]))
