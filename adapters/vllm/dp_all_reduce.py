"""``_run_ar`` of Model Runner V1: what data-parallel ranks tell each other before a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


def _compose(all_reduce: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    vllm = upstream.__globals__

    def _run_ar(
        should_ubatch: bool,
        orig_num_tokens_per_ubatch: int,
        padded_num_tokens_per_ubatch: int,
        cudagraph_mode: int,
        parallel_config: Any,
    ) -> Any:
        device, group = vllm["_get_device_and_group"](parallel_config)
        return all_reduce(
            (orig_num_tokens_per_ubatch, padded_num_tokens_per_ubatch, 1 if should_ubatch else 0, cudagraph_mode),
            parallel_config.data_parallel_rank,
            parallel_config.data_parallel_size,
            group,
            device,
        )

    return _run_ar


BINDING = Binding(
    hook="dp_all_reduce",
    targets=("vllm.v1.worker.dp_utils:_run_ar",),
    depends=("vllm.v1.worker.dp_utils:_get_device_and_group",),
    forms=(
        Form(
            releases=">=0.18.1,<0.22",
            status="needed",
            why="four blocking host-to-device copies per step when async scheduling is off",
            compose=(_compose,),
        ),
        Form(
            releases=">=0.22.0,<=0.33.0",
            status="upstreamed",
            why="vLLM #41429 fills the tensor on the host (in pinned memory from 0.30)",
            compose=(_compose,),
        ),
    ),
    note="Model Runner V1 only; with async scheduling, the default, the exchange is over Gloo and nothing stalls",
)
