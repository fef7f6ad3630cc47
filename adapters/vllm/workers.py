"""Additions to the worker processes of an engine besides bindings: a comparison of their plans at start, and a report on demand."""

from __future__ import annotations

from typing import Any

from syncfree.adapting import Attachment
from syncfree.ranks import compare_plans_after, gather_plans

COMPARISON = compare_plans_after("vllm.v1.worker.worker_base:WorkerWrapperBase.init_device", "vllm")
"""Every executor calls it in every worker, once; the default process group spans pipeline, tensor and data parallelism then."""


def syncfree_plan(self: Any, question: str = "") -> list[dict[str, Any]]:
    """A method of every worker, so that vLLM's ``collective_rpc("syncfree_plan")`` finds it."""
    return gather_plans(question)


REPORT = Attachment(
    "vllm.v1.worker.worker_base:WorkerBase.syncfree_plan", lambda _: syncfree_plan, "syncfree doctor --server", adds=True
)
