"""Tiny random-weight diffusers pipelines: real classes, real loops, seconds on a CPU, nothing downloaded."""

from __future__ import annotations

import hashlib
from typing import Any

import torch


def wan() -> Any:
    """Make a Wan text-to-video pipeline with the UniPC scheduler that the released checkpoints use."""
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel

    torch.manual_seed(0)
    pipeline = WanPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=AutoencoderKLWan(
            base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
        ),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
        ),
        transformer=WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=16,
            out_channels=16,
            text_dim=32,
            freq_dim=256,
            ffn_dim=32,
            num_layers=2,
            rope_max_seq_len=32,
        ),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def generate(pipeline: Any, steps: int = 10, **options: Any) -> torch.Tensor:
    """Generate one tiny video: ``[1, 9, 3, 16, 16]`` in 0..1, always the same one."""
    generator = torch.Generator().manual_seed(1)
    prompt = torch.randn(1, 8, 32, generator=generator)
    return pipeline(  # type: ignore[no-any-return]
        prompt_embeds=prompt,
        negative_prompt_embeds=-prompt,
        height=16,
        width=16,
        num_frames=9,
        num_inference_steps=steps,
        generator=generator,
        output_type="pt",
        **options,
    ).frames


def digest(tensor: torch.Tensor) -> str:
    """A hash of a tensor's shape, dtype and bytes."""
    content = f"{tuple(tensor.shape)} {tensor.dtype}".encode() + tensor.contiguous().numpy().tobytes()
    return hashlib.sha256(content).hexdigest()
