"""Padding of the logits indices for ``kv_sharing_fast_prefill`` in Model Runner V1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


def _compose(pad: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    vllm = upstream.__globals__

    def _prepare_kv_sharing_fast_prefill(self: Any, logits_indices: Any) -> Any:
        buffer = self.kv_sharing_fast_prefill_logits_indices
        count = logits_indices.shape[0]
        assert buffer is not None
        assert count > 0
        if pad(buffer, logits_indices) is NotImplemented:
            return NotImplemented
        _, batch = self.cudagraph_dispatcher.dispatch(count, invalid_modes={vllm["CUDAGraphMode"].FULL})
        return buffer[: batch.num_tokens]

    return _prepare_kv_sharing_fast_prefill


BINDING = Binding(
    hook="fast_prefill_padding",
    targets=("vllm.v1.worker.gpu_model_runner:GPUModelRunner._prepare_kv_sharing_fast_prefill",),
    forms=(
        Form(
            releases=">=0.18.1,<0.22",
            status="stalls",
            why="the last index is read back in every step with kv_sharing_fast_prefill",
            compose=(_compose,),
        ),
        Form(
            releases=">=0.22.0",
            status="upstreamed",
            why="vLLM #41429 broadcasts the last index on the device",
            compose=(_compose,),
        ),
    ),
    note="Model Runner V1 only",
)
