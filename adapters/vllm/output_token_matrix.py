"""``_convert_to_tensors`` of Model Runner V1's penalties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


def _compose(matrix: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def _convert_to_tensors(output_token_ids: list[list[int]], vocab_size: int, device: Any) -> Any:
        return matrix(output_token_ids, vocab_size, device)

    return _convert_to_tensors


_TORCH_UTILS = "vllm.utils.torch_utils"
BINDING = Binding(
    hook="output_token_matrix",
    targets=("vllm.v1.sample.ops.penalties:_convert_to_tensors",),
    depends=(f"{_TORCH_UTILS}:make_tensor_with_pad", f"{_TORCH_UTILS}:make_ndarray_with_pad"),
    forms=(
        Form(
            releases=">=0.18.1",
            status="repeats work",
            why="every step converts and uploads all tokens that all requests ever generated",
            compose=(_compose,),
        ),
    ),
    repeatable=True,
    same_call=True,
    note="Model Runner V1 only; saves host time, nothing stalls here. The matrix stays on the device between steps",
)
