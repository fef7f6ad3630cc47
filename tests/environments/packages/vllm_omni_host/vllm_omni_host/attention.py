"""PyTorch's attention, as vLLM-Omni calls it on CUDA: its dispatch by platform knows none but its own."""

from __future__ import annotations

from typing import Any

import torch
from vllm_omni.diffusion.attention.backends.sdpa import SDPABackend, SDPAImpl


class HostAttentionImpl(SDPAImpl):
    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_metadata: Any = None) -> torch.Tensor:
        return self.forward_cuda(query, key, value, attn_metadata)


class HostAttention(SDPABackend):
    @staticmethod
    def get_impl_cls() -> type[SDPAImpl]:
        return HostAttentionImpl
