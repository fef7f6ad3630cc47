"""The reports of all processes of this job about themselves, for whoever scrapes this process.

The sockets of the job are asked once a second, by a thread that begins with the first scrape and ends a minute after the last:
a scrape may come in an event loop of the framework, which must not wait for a process that does not answer.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..control._client import ask_all, find
from ..control._identity import job_of
from ..control._report import report
from ._latencies import BOUNDS, Histogram
from ._samples import METRICS, samples

if TYPE_CHECKING:
    from .._runtime import Runtime

_SECONDS_BETWEEN = 1.0
_SECONDS_TO_ANSWER = 0.5
_SECONDS_WITHOUT_A_SCRAPE = 60.0


class JobReports:
    """The latest reports of the processes of this job; this process's own is always current."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._others: list[dict[str, Any]] = []
        self._scraped = 0.0
        self._running_in = 0

    def latest(self) -> list[dict[str, Any]]:
        """Return the reports; the first one of a process waits up to half a second for the others."""
        self._scraped = time.monotonic()
        with self._lock:
            begins = self._running_in != os.getpid()
            self._running_in = os.getpid()
        if begins:
            self._others = self._asked()
            threading.Thread(target=self._run, name="syncfree metrics", daemon=True).start()
        return [report(self._runtime, job_of(os.environ)), *self._others]

    def _run(self) -> None:
        while time.monotonic() - self._scraped < _SECONDS_WITHOUT_A_SCRAPE:
            time.sleep(_SECONDS_BETWEEN)
            self._others = self._asked()
        with self._lock:
            self._running_in = 0

    def _asked(self) -> list[dict[str, Any]]:
        found, job = find(os.environ), job_of(os.environ)
        others = [entry for entry in found.entries if entry.job == job and entry.pid != os.getpid()]
        return [told.report for told in ask_all(type(found)(tuple(others), ()), _SECONDS_TO_ANSWER) if told.report is not None]


class JobCollector:
    """Gives prometheus_client the samples of the whole job: a collector of a registry."""

    def __init__(self, reports: JobReports, client: Any) -> None:
        core = client.core
        self._reports = reports
        self._families = {
            "counter": core.CounterMetricFamily,
            "gauge": core.GaugeMetricFamily,
            "histogram": core.HistogramMetricFamily,
        }

    def describe(self) -> list[Any]:
        """Return nothing, so that registering does not collect."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield a family for each metric."""
        families = {metric: self._families[metric.kind](metric.name, metric.text, labels=metric.labels) for metric in METRICS}
        for told in self._reports.latest():
            for metric, labels, value in _tolerant(told):
                if isinstance(value, Histogram):
                    families[metric].add_metric(labels, list(_cumulative(value)), value.seconds)
                else:
                    families[metric].add_metric(labels, value)
        yield from families.values()


def _cumulative(histogram: Histogram) -> Iterator[tuple[str, int]]:
    """Yield each upper bound in seconds, and how many calls took as long or less."""
    calls = 0
    for bound, (number, _) in zip((*BOUNDS, math.inf), histogram.buckets, strict=True):
        calls += number
        yield ("+Inf" if bound == math.inf else str(bound / 1e9)), calls


def _tolerant(told: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the samples of a report; none of one that a process with another release of syncfree made in another form."""
    try:
        yield from list(samples(told))
    except (KeyError, TypeError, ValueError, AttributeError):
        return
