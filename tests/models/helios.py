"""A tiny Helios text-to-video pipeline with random weights: Wan's tokenizer, text encoder and VAE around Helios's transformer."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from diffusers import HeliosTransformer3DModel

from .wan import TEXT_WIDTH, text_encoder, tokenizer, vae

SCHEDULER = {
    "_class_name": "HeliosScheduler",
    "num_train_timesteps": 1000,
    "shift": 1.0,
    "stages": 1,
    "stage_range": [0, 1],
    "gamma": 0.3333333333333333,
    "prediction_type": "flow_prediction",
    "solver_order": 2,
    "solver_type": "bh2",
    "use_flow_sigmas": True,
    "scheduler_type": "unipc",
    "use_dynamic_shifting": False,
}


def transformer() -> HeliosTransformer3DModel:
    return HeliosTransformer3DModel(
        num_attention_heads=4,
        attention_head_dim=32,
        text_dim=TEXT_WIDTH,
        freq_dim=64,
        ffn_dim=256,
        num_layers=2,
        rope_dim=(12, 10, 10),
    )


def make(folder: Path) -> None:
    """Write the pipeline into `folder`; the weights are the same in every run."""
    torch.manual_seed(0)
    transformer().save_pretrained(folder / "transformer")
    vae().save_pretrained(folder / "vae")
    tokenizer().save_pretrained(folder / "tokenizer")
    text_encoder().save_pretrained(folder / "text_encoder")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER, indent=1))
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "HeliosPipeline"}, indent=1))


if __name__ == "__main__":
    make(Path(sys.argv[2]))
