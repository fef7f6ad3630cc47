"""The samples of this process in prometheus_client's multiprocess mode: files in a folder, which the framework's endpoint reads.

A collector cannot be used in that mode, so a thread adds once a second what the counters have gained.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from .._errors import describe_error
from .._log import log_of
from ..control._identity import job_of
from ..control._report import report
from ._latencies import BOUNDS, NOTHING, Histogram
from ._samples import METRICS, Metric, samples

if TYPE_CHECKING:
    from .._runtime import Runtime

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS_BETWEEN = 1.0


class MultiprocessWriter:
    """Writes the samples of this process, and of each child that it forks."""

    def __init__(self, runtime: Runtime, client: Any) -> None:
        self._runtime = runtime
        # Of no registry: the framework's endpoint reads the folder, and a registry that is scraped, too, would say all twice.
        kinds = {
            "counter": client.Counter,
            "gauge": lambda *names, **of: client.Gauge(*names, multiprocess_mode="livemax", **of),
            "histogram": lambda *names, **of: client.Histogram(*names, buckets=[bound / 1e9 for bound in BOUNDS], **of),
        }
        self._metrics = {
            metric: kinds[metric.kind](metric.name, metric.text, labelnames=metric.labels, registry=None) for metric in METRICS
        }
        self._written: dict[tuple[Metric, tuple[str, ...]], float | Histogram] = {}
        os.register_at_fork(after_in_child=self._in_child)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system allows no more threads.
        """
        threading.Thread(target=self._run, name="syncfree metrics", daemon=True).start()

    def write(self) -> None:
        """Write what has changed."""
        now = {(metric, labels): value for metric, labels, value in samples(report(self._runtime, job_of(os.environ)))}
        for (metric, labels), value in now.items():
            child = self._metrics[metric].labels(*labels)
            before = self._written.get((metric, labels))
            if isinstance(value, Histogram):
                _observe(child, value, before if isinstance(before, Histogram) else NOTHING)
            elif metric.kind == "gauge":
                child.set(value)
            elif gained := value - (before if isinstance(before, float) else 0.0):
                child.inc(gained)
        for metric, labels in self._written.keys() - now.keys():
            if metric.kind == "gauge":  # a choice that is no longer in use; files keep every series
                self._metrics[metric].labels(*labels).set(0)
        self._written = now

    def _in_child(self) -> None:
        # The child counts on from its parent's numbers, which are written already: under the parent's pid.
        try:
            self.start()
        except RuntimeError:
            return

    def _run(self) -> None:
        while True:
            try:
                self.write()
            except Exception as error:  # noqa: BLE001 - a full disk must not end the thread's process; said once
                log_of().warning("syncfree: the metrics of this process are not written any longer: %s", describe_error(error))
                return
            time.sleep(_SECONDS_BETWEEN)


def _observe(child: Any, now: Histogram, before: Histogram) -> None:
    """Write the calls that a histogram has gained.

    prometheus_client takes one call at a time. The mean of the calls that a bucket has gained lies in that bucket, and that many
    times the mean is the sum of their times.
    """
    for (calls, total), (calls_before, total_before) in zip(now.buckets, before.buckets, strict=True):
        for _ in range(gained := calls - calls_before):
            child.observe((total - total_before) / gained / 1e9)
