"""The requests of the tests to the worker processes; vLLM mixes it into their class (``worker_extension_cls``)."""

from __future__ import annotations

import gc
import os
from typing import Any

import syncfree


class Registry:
    """The registry of a worker process, through `collective_rpc`."""

    def syncfree_report(self) -> dict[str, Any]:
        """Its plan with the counters, and who else holds the original of a bound target."""
        plan = syncfree.plan()
        gc.unfreeze()  # vLLM freezes the heap, after which dead cycles from before would stay and be taken for holders
        gc.collect()
        bound = [target for entry in plan if entry.state == "bound" for target in entry.targets]
        copies = {target: syncfree.holders(target) for target in bound}
        return {"pid": os.getpid(), "plan": plan.as_dict(), "copies": copies}

    def syncfree_use(self, hook: str, choice: str, all_ranks: bool = False) -> str:
        """Switch a hook; returns the message of a refusal, or nothing."""
        try:
            syncfree.use(all_ranks=all_ranks, **{hook: choice})
        except syncfree.SelectionError as error:
            return str(error)
        return ""

    def syncfree_use_everywhere(self, choice: str) -> list[str]:
        """Switch every bound hook that ranks need not switch together; returns which."""
        hooks = sorted({entry.hook for entry in syncfree.plan() if entry.state == "bound" and not entry.lockstep})
        syncfree.use(**dict.fromkeys(hooks, choice))
        return hooks
