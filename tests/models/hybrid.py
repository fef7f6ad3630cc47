"""A tiny OLMo Hybrid: two layers of gated delta rules and one of attention.

Without weights: an engine with ``load_format="dummy"`` makes its own. vLLM 0.32 cannot load those that Transformers 5.19 saves.
"""

from __future__ import annotations

import sys
from pathlib import Path

from transformers import OlmoHybridConfig

from ._byte_tokenizer import BEGIN, END, PAD, VOCABULARY, byte_tokenizer


def make(folder: Path) -> None:
    """Write the configuration of the model and its tokenizer into `folder`."""
    config = OlmoHybridConfig(
        architectures=["OlmoHybridForCausalLM"],
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=3,
        layer_types=["linear_attention", "linear_attention", "full_attention"],
        num_attention_heads=4,
        num_key_value_heads=4,
        linear_key_head_dim=32,
        linear_value_head_dim=64,
        max_position_embeddings=1024,
        pad_token_id=PAD,
        bos_token_id=BEGIN,
        eos_token_id=END,
    )
    config.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)


if __name__ == "__main__":
    make(Path(sys.argv[2]))
