"""``bincount`` of Model Runner V2: the penalty state of requests that were added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form

_BLOCK_SIZE = 1024


def _compose(reset: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    vllm = upstream.__globals__

    def bincount(
        expanded_idx_mapping: Any,
        all_token_ids: Any,
        prompt_len: Any,
        prefill_len: Any,
        prompt_bin_mask: Any,
        output_bin_counts: Any,
        max_prefill_len: int,
    ) -> Any:
        if reset((prompt_bin_mask, output_bin_counts), expanded_idx_mapping) is NotImplemented:
            return NotImplemented
        blocks = vllm["triton"].cdiv(max_prefill_len, _BLOCK_SIZE)
        vllm["_bincount_kernel"][(expanded_idx_mapping.shape[0], blocks)](
            expanded_idx_mapping,
            all_token_ids,
            all_token_ids.stride(0),
            prompt_len,
            prefill_len,
            prompt_bin_mask,
            prompt_bin_mask.stride(0),
            output_bin_counts,
            output_bin_counts.stride(0),
            BLOCK_SIZE=_BLOCK_SIZE,
        )
        return None

    return bincount


BINDING = Binding(
    hook="penalty_state_reset",
    targets=("vllm.v1.worker.gpu.sample.penalties:bincount",),
    forms=(
        Form(
            releases=">=0.18.1,<0.22",
            status="stalls",
            why="two blocking host-to-device copies of a zero when a request with penalties arrives",
            compose=(_compose,),
            torch="<2.15",
        ),
        Form(
            releases=">=0.18.1,<0.22",
            status="upstreamed",
            why="fixed by torch 2.15 (PyTorch #188330), which makes the zeros on the device",
            compose=(_compose,),
            torch=">=2.15",
        ),
        Form(
            releases=">=0.22.0",
            status="upstreamed",
            why="vLLM #41429 fills instead",
            compose=(_compose,),
        ),
    ),
    note="Model Runner V2 only",
)
