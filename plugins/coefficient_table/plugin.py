"""The plugin ``coefficient_table``: scheduler steps whose scalars are computed once per schedule instead of at every step."""

from __future__ import annotations

from syncfree import implementations

PLUGIN = implementations(
    "syncfree.plugins.coefficient_table",
    exact=True,
    host_syncs=0,
    needs=("torch",),
    hooks=("scheduler_step", "step_coefficients"),
    preference=10,  # a third to a quarter of sync_free's host time per step: make bench-schedulers
)
