"""The plugin ``packed_all_to_all``: one collective for all tensors of a call, however many there are."""

from __future__ import annotations

from syncfree import implementations

PLUGIN = implementations(
    "syncfree.plugins.packed_all_to_all",
    exact=True,
    host_syncs=0,
    lockstep=True,
    needs=("torch",),
    hooks=("sequence_parallel_all_to_all",),
)
