"""``_copy_pooler_output_to_cpu`` of Model Runner V1, where a part of the batch is finished."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


def _compose(select: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    tensor = upstream.__globals__["torch"].Tensor

    def _copy_pooler_output_to_cpu(raw_pooler_output: Any, finished_mask: list[bool]) -> Any:
        rows = [row for row, finished in enumerate(finished_mask) if finished]
        count = len(finished_mask)
        if not isinstance(raw_pooler_output, tensor) or not 0 < len(rows) < count or raw_pooler_output.shape[0] != count:
            return NotImplemented  # all that is left does not stall
        selected = select(raw_pooler_output, rows)
        if selected is NotImplemented:
            return selected
        output = [None] * count
        for row, pooled in zip(rows, selected.to("cpu", non_blocking=True), strict=True):
            output[row] = pooled
        return output

    return _copy_pooler_output_to_cpu


BINDING = Binding(
    hook="pooled_rows",
    targets=("vllm.v1.worker.gpu_model_runner:_copy_pooler_output_to_cpu",),
    forms=(
        Form(
            releases=">=0.18.1",
            status="stalls",
            why="where a part of the batch is finished and the pooler gives one tensor, a blocking upload waits for the whole forward pass",
            compose=(_compose,),
        ),
    ),
    repeatable=True,
    note="Model Runner V1 only, for a pooler that gives one tensor for the batch, as a registered model's may; those of vLLM's own "
    "language models give lists, which do not stall. These, and batches finished as a whole or not at all, go to vLLM's own code",
)
