"""The plugin ``auto``: `shm_mailbox` where all ranks run on one machine, upstream's code everywhere else.

Like ``shm_mailbox`` it is not declared exact: what is exact may be chosen by default, and this changes how ranks wait for
each other and how a lost rank ends, so it is chosen by name only.
"""

from __future__ import annotations

from syncfree import implementations

PLUGIN = implementations("syncfree.plugins.auto", host_syncs=0, lockstep=True, needs=("torch",), hooks=("dp_all_reduce",))
