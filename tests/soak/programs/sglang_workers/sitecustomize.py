"""In every process of an SGLang engine: threads that toggle and read while it denoises, and a switch of the exchange before.

``SOAK_FOLDER`` is where the meters write. Every rank makes the same choice of the exchange before a generation, drawn from
the number of the generation, because it is a lockstep hook.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

DENOISING = "sglang.multimodal_gen.runtime.pipelines_core.stages.denoising"
EXCHANGE = ("sync_free", "upstream", "packed_all_to_all", "default")
PATIENCE = 180.0


def watch(module: ModuleType, imported: frozenset[str]) -> None:
    """Start the meter at the first generation, and switch the exchange before each."""
    upstream = module.DenoisingStage.forward
    state: dict[str, Any] = {"generation": 0, "meter": None}

    def forward(self: Any, *arguments: Any, **options: Any) -> Any:
        import torch.distributed
        from meter import Meter

        import syncfree

        if state["meter"] is None and state["generation"] == 1:  # the first one is the warm-up
            state["meter"] = Meter(Path(os.environ["SOAK_FOLDER"]), seed=torch.distributed.get_rank())
            state["meter"].start()
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        syncfree.use(sequence_parallel_all_to_all=EXCHANGE[state["generation"] % len(EXCHANGE)], all_ranks=True)
        state["generation"] += 1
        result = upstream(self, *arguments, **options)
        faulthandler.cancel_dump_traceback_later()
        return result

    module.DenoisingStage.forward = forward  # type: ignore[attr-defined]


if "SOAK_FOLDER" in os.environ and os.environ.get("SYNCFREE") != "off":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from syncfree._import_hook import PostImportFinder

    PostImportFinder().watch(DENOISING, watch)
