"""The metrics: names, labels, and their values from what a process tells about itself (`control._report`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ._latencies import Histogram

_PROCESS = ("syncfree_job", "process", "rank")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, without the ``_total`` that counters get.

    Attributes:
        labels: ``process`` is the pid, and ``syncfree_job`` the job; prometheus_client uses ``pid`` itself, and Prometheus ``job``.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...]


CALLS = Metric("syncfree_calls", "counter", "Calls of a hook, by choice.", (*_PROCESS, "framework", "hook", "target", "choice"))
DECLINES = Metric(
    "syncfree_declines", "counter", "Calls that an implementation left to upstream.", (*_PROCESS, "framework", "hook", "target", "choice")
)
CHOICE = Metric(
    "syncfree_choice", "gauge", "1 for the choice of a hook in use now.", (*_PROCESS, "framework", "hook", "choice", "state")
)
COMPARED = Metric("syncfree_verified_calls", "counter", "Calls that verification compared.", (*_PROCESS, "hook", "target"))
MISMATCHES = Metric("syncfree_mismatches", "counter", "Compared calls whose results differed.", (*_PROCESS, "hook", "target"))
SECONDS = Metric(
    "syncfree_call_seconds",
    "histogram",
    "Time of a share of the calls on the host's clock, by choice.",
    (*_PROCESS, "framework", "hook", "target", "choice"),
)
METRICS = (CALLS, DECLINES, CHOICE, COMPARED, MISMATCHES, SECONDS)

Sample = tuple[Metric, tuple[str, ...], float | Histogram]
"""A metric, the values of its labels, its value."""


def samples(report: Mapping[str, Any]) -> Iterator[Sample]:
    """Yield the samples of a process from its report."""
    plan = report["plan"]
    rank = "" if plan["rank"] is None else str(plan["rank"]["index"])
    process = (str(report["job"]), str(report["pid"]), rank)
    for binding in plan["bindings"]:
        if binding["framework"] not in plan["loaded"]:
            continue
        named = (*process, binding["framework"], binding["hook"])
        if binding["state"] in ("bound", "replaced", "reloaded", "unloaded"):
            yield CHOICE, (*named, binding["choice"], binding["state"]), 1.0
        for target, by_choice in binding["counts"].items():
            timed = report.get("latencies", {}).get(binding["hook"], {}).get(target, {})
            for choice, buckets in timed.items():
                yield SECONDS, (*named, target, choice), Histogram.of(buckets)
            for choice, count in by_choice.items():
                yield CALLS, (*named, target, choice), float(count["calls"])
                yield DECLINES, (*named, target, choice), float(count["declines"])
    for hook, by_target in report.get("verified", {}).items():
        for target, found in by_target.items():
            yield COMPARED, (*process, hook, target), float(found["compared"])
            yield MISMATCHES, (*process, hook, target), float(found["mismatches"])
