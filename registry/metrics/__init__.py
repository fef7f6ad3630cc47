"""Metrics for Prometheus: calls, declines, choices and verification, by hook and process. Off unless ``SYNCFREE_METRICS`` asks.

* `_settings`: what ``SYNCFREE_METRICS`` says.
* `_latencies`: times a share of the calls, if ``SYNCFREE_METRICS_SAMPLE`` asks.
* `_samples`: the metrics, from what a process tells about itself.
* `_job`: what all processes of the job tell, asked once a second while somebody scrapes.
* `_multiprocess`: the samples of this process, written once a second into the folder of prometheus_client's multiprocess mode.
* `_export`: where they go: the framework's own registry, that folder, or an address of the user's.

Without ``SYNCFREE_METRICS_SAMPLE`` the hot path is not involved: the counters are those of ``syncfree ps``. See docs/metrics.md.
"""
