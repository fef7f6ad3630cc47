"""Tiny causal language models with random float32 weights: Llama, Qwen3-MoE, Mamba and Mamba-2."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Mamba2Config,
    Mamba2ForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    PreTrainedModel,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from ._byte_tokenizer import BEGIN, END, PAD, VOCABULARY, byte_tokenizer

COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "pad_token_id": PAD,
    "bos_token_id": BEGIN,
    "eos_token_id": END,
}
ATTENTION = {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "intermediate_size": 256,
    "max_position_embeddings": 1024,
    "initializer_range": 0.2,  # ten times the usual one: logits so far apart that a greedy choice is stable
}


def llama() -> PreTrainedModel:
    return LlamaForCausalLM(LlamaConfig(**COMMON, **ATTENTION, tie_word_embeddings=False))


def qwen3_moe() -> PreTrainedModel:
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64, "decoder_sparse_step": 1}
    return Qwen3MoeForCausalLM(Qwen3MoeConfig(**COMMON, **ATTENTION, **experts))


def mamba() -> PreTrainedModel:
    return MambaForCausalLM(MambaConfig(**COMMON, state_size=16, use_mambapy=False))


def mamba2() -> PreTrainedModel:
    return Mamba2ForCausalLM(Mamba2Config(**COMMON, num_heads=8, head_dim=32, state_size=16, expand=2, n_groups=1))


MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": llama,
    "qwen3-moe": qwen3_moe,
    "mamba": mamba,
    "mamba2": mamba2,
}


def make(name: str, folder: Path) -> None:
    """Write the model `name` with its tokenizer into `folder`; the weights are the same in every run."""
    torch.manual_seed(0)
    MODELS[name]().to(torch.float32).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]))
