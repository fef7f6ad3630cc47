"""SGLang's Wan decoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncfree.adapting import Binding, Form

if TYPE_CHECKING:
    import torch

Function = Callable[..., Any]


def _compose(assemble: Function, upstream: Function) -> Function:
    """To 0.5.12.post1, the causal decoding with cached features; tiled decoding stays upstream's."""
    module = upstream.__globals__

    def decode(self: Any, z: torch.Tensor) -> Any:
        if not self.use_feature_cache:
            return NotImplemented
        self.clear_cache()
        x = self.post_quant_conv(z)

        def decode_chunk(index: int) -> Any:
            module["feat_idx"].set(0)
            module["first_chunk"].set(index == 0)
            return self.decoder(x[:, :, index : index + 1, :, :])

        patch_size = self.config.patch_size
        finish = None
        if patch_size is not None:

            def finish(clip: torch.Tensor) -> Any:
                return module["unpatchify"](clip, patch_size=patch_size)

        with module["forward_context"](feat_cache_arg=self._feat_map, feat_idx_arg=self._conv_idx):
            clip = assemble(decode_chunk, z.shape[2], finish)
        if clip is not NotImplemented:
            self.clear_cache()
        return clip

    return decode


BINDING = Binding(
    hook="vae_decode",
    targets=("sglang.multimodal_gen.runtime.models.vaes.wanvae:AutoencoderKLWan.decode",),
    forms=(
        Form(">=0.5.9,<0.5.13", "repeats work", "the clip is copied again for every chunk", (_compose,)),
        Form(">=0.5.13", "upstreamed", "SGLang #27041", None),
    ),
    note="decoding with cached features only",
)
