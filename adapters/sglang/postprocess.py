"""SGLang's post-processing of Cosmos3's frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncfree.adapting import Binding, Form

if TYPE_CHECKING:
    import torch


def _compose(scale: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def _postprocess_tensor(decoded: torch.Tensor) -> Any:
        return scale(decoded)

    return _postprocess_tensor


_STAGES = "sglang.multimodal_gen.runtime.pipelines_core.stages"

BINDING = Binding(
    hook="postprocess",
    targets=(f"{_STAGES}.model_specific_stages.cosmos3:Cosmos3DecodingStage._postprocess_tensor",),
    forms=(Form(">=0.5.13", "upstreamed", "SGLang #27041", (_compose,)),),
    same_call=True,
)
