"""The plugin ``flashinfer_ulysses``: the exchange of sequence shards by FlashInfer's kernel, over NVLink, on one node.

Not declared ``exact``, although FlashInfer documents it: it was not run on GPUs here. So it is never a default. Its host syncs are those
of a call whose communicator is there; the one that makes it waits.
"""

from __future__ import annotations

from syncfree import implementations

PLUGIN = implementations(
    "syncfree.plugins.flashinfer_ulysses",
    host_syncs=0,
    lockstep=True,
    needs=("torch", "cuda", "one_node", "flashinfer"),
    hooks=("sequence_parallel_all_to_all",),
)
