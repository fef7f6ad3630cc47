"""``PPHandler.get_prev_sampled_outputs`` of Model Runner V2: speculative decoding with pipeline parallelism.

Upstream's own method does everything else: called without a place for the drafts, it takes the entry from its queue, waits
for it on the stream, and returns what was sampled. The drafts are copied after that, as upstream copies them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


def _compose(hand_over: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def get_prev_sampled_outputs(self: Any, draft_tokens_to_update: Any = None) -> Any:
        entry = self.queue[0] if self.queue else None
        if entry is None or entry.draft_tokens is None or draft_tokens_to_update is None:
            return NotImplemented
        rows = entry.idx_mapping_np
        keep = (self.req_idx_gen_np[rows] == entry.gen_at_receive_np) & entry.need_sampled_mask
        if keep.all() or not keep.any():
            return NotImplemented  # no request left, or all: nothing is uploaded
        outputs = upstream(self)
        (kept,) = keep.nonzero()
        hand_over(draft_tokens_to_update, entry.draft_tokens, kept.tolist(), rows[keep].tolist())
        return outputs

    return get_prev_sampled_outputs


BINDING = Binding(
    hook="draft_handover",
    targets=("vllm.v1.worker.gpu.pp_utils:PPHandler.get_prev_sampled_outputs",),
    forms=(
        Form(
            releases=">=0.30.0,<0.33",
            status="stalls",
            why="a blocking upload of a mask, and a selection of unknown size, when a request has left",
            compose=(_compose,),
        ),
    ),
    note="Model Runner V2 with pipeline parallelism and speculative decoding only; steps that no request left go to vLLM",
)
