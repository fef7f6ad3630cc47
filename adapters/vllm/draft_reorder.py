"""``update_ngram_gpu_tensors_incremental``: token rows of the n-gram drafter that move with their requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


class _Reordered:
    """An input batch whose rows did not move since the last step, because they have been moved already."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        self.prev_req_id_to_index = batch.req_id_to_index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)


def _compose(reorder: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def update_ngram_gpu_tensors_incremental(
        input_batch: Any,
        token_ids_gpu_tensor: Any,
        num_tokens_no_spec_gpu: Any,
        new_reqs: list[Any],
        device: Any,
        _pinned_idx_buf: Any,
        _pinned_val_buf: Any,
    ) -> Any:
        before = input_batch.prev_req_id_to_index
        if before is not None:
            new = {request.req_id for request in new_reqs}
            moved = [
                (before[request], now)
                for request, now in input_batch.req_id_to_index.items()
                if request not in new and before.get(request, now) != now
            ]
            if moved:
                source, destination = zip(*moved, strict=True)
                states = (token_ids_gpu_tensor, num_tokens_no_spec_gpu)
                if reorder(states, source, destination) is NotImplemented:
                    return NotImplemented
                input_batch = _Reordered(input_batch)
        return upstream(
            input_batch,
            token_ids_gpu_tensor,
            num_tokens_no_spec_gpu,
            new_reqs,
            device,
            _pinned_idx_buf,
            _pinned_val_buf,
        )

    return update_ngram_gpu_tensors_incremental


BINDING = Binding(
    hook="draft_reorder",
    targets=("vllm.v1.spec_decode.ngram_proposer_gpu:update_ngram_gpu_tensors_incremental",),
    depends=("vllm.v1.spec_decode.ngram_proposer_gpu:_sync_num_tokens",),
    forms=(
        Form(
            releases=">=0.18.1,<0.22",
            status="stalls",
            why="two blocking host-to-device copies when rows of the batch move",
            compose=(_compose,),
        ),
        Form(
            releases=">=0.22.0",
            status="upstreamed",
            why="vLLM #41429 uploads from pinned memory",
            compose=(_compose,),
        ),
    ),
    note="Model Runner V1 only",
)
