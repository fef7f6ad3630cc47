"""More tiny random-weight pipelines, by name: a constructor and what to call the pipeline with. Prompts are embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from . import tiny


class Tiny(NamedTuple):
    """A pipeline, the schedulers to run it with (the first is the one that its checkpoints use), and its call.

    Attributes:
        since: the first release that can make it with what the environments have.
    """

    make: Callable[[], Any]
    schedulers: tuple[str, ...]
    call: Callable[[], dict[str, Any]]
    since: str = "0.37.0"


def embeddings(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def image_vae(latent_channels: int) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4, 8),
        norm_num_groups=2,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=latent_channels,
        shift_factor=0.0,
    )


def unet(**options: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        block_out_channels=(4, 8),
        layers_per_block=1,
        sample_size=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=2,
        **options,
    )


def stable_diffusion() -> Any:
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    return StableDiffusionPipeline(
        vae=image_vae(4),
        text_encoder=None,
        tokenizer=None,
        unet=unet(),
        scheduler=DDIMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl() -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    return StableDiffusionXLPipeline(
        vae=image_vae(4),
        text_encoder=None,
        text_encoder_2=None,
        tokenizer=None,
        tokenizer_2=None,
        unet=unet(addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=80),
        scheduler=EulerDiscreteScheduler(),
        add_watermarker=False,
    )


def stable_diffusion_3() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    return StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=16,
            patch_size=1,
            in_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            joint_attention_dim=32,
            caption_projection_dim=32,
            pooled_projection_dim=32,
            out_channels=4,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=image_vae(4),
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=None,
        tokenizer_2=None,
        text_encoder_3=None,
        tokenizer_3=None,
    )


def flux() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=image_vae(1),
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=None,
        tokenizer_2=None,
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
        ),
    )


def cogvideox() -> Any:
    from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXPipeline, CogVideoXTransformer3DModel

    return CogVideoXPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        ),
        transformer=CogVideoXTransformer3DModel(
            num_attention_heads=4,
            attention_head_dim=8,
            in_channels=4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=32,
            num_layers=1,
            sample_width=2,
            sample_height=2,
            sample_frames=9,
            patch_size=2,
            max_text_seq_length=8,
        ),
        scheduler=CogVideoXDDIMScheduler(),
    )


def ltx() -> Any:
    from diffusers import AutoencoderKLLTXVideo, FlowMatchEulerDiscreteScheduler, LTXPipeline, LTXVideoTransformer3DModel

    return LTXPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=AutoencoderKLLTXVideo(
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
        ),
        text_encoder=None,
        tokenizer=None,
        transformer=LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=4,
            attention_head_dim=8,
            cross_attention_dim=32,
            num_layers=1,
            caption_channels=32,
        ),
    )


class NothingUnsafe:
    """In the place of the guardrail models, which Cosmos insists on."""

    def to(self, device: Any) -> None:
        pass


def cosmos() -> Any:
    from diffusers import AutoencoderKLWan, Cosmos2_5_PredictBasePipeline, CosmosTransformer3DModel, UniPCMultistepScheduler

    return Cosmos2_5_PredictBasePipeline(
        text_encoder=None,
        tokenizer=None,
        transformer=CosmosTransformer3DModel(
            in_channels=17,
            out_channels=16,
            num_attention_heads=2,
            attention_head_dim=16,
            num_layers=1,
            mlp_ratio=2,
            text_embed_dim=32,
            adaln_lora_dim=4,
            max_size=(4, 32, 32),
            patch_size=(1, 2, 2),
            rope_scale=(2.0, 1.0, 1.0),
            extra_pos_embed_type="learnable",
            concat_padding_mask=False,  # the mask is resized by torchvision
        ),
        vae=AutoencoderKLWan(
            base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
        ),
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0),
        safety_checker=NothingUnsafe(),
    )


def image_call(pooled: bool = False, **more: Any) -> dict[str, Any]:
    prompt = embeddings(1, 8, 32)
    call = {"prompt_embeds": prompt, "height": 16, "width": 16, **more}
    if pooled:
        call["pooled_prompt_embeds"] = embeddings(1, 32, seed=1)
    return call


def guided(call: dict[str, Any]) -> dict[str, Any]:
    """Add the negative prompt that guidance needs."""
    negative = {f"negative_{name}": -value for name, value in call.items() if name.endswith("prompt_embeds")}
    return {**call, **negative, "guidance_scale": 3.0}


DIFFUSION = (
    "DDIMScheduler",
    "PNDMScheduler",
    "DDPMScheduler",
    "LCMScheduler",
    "TCDScheduler",
    "UniPCMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DEISMultistepScheduler",
    "SASolverScheduler",
)
SIGMAS = (
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
)
FLOW = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")

PIPELINES = {
    "stable_diffusion": Tiny(stable_diffusion, (*DIFFUSION, *SIGMAS), lambda: guided(image_call())),
    "stable_diffusion_xl": Tiny(stable_diffusion_xl, SIGMAS[:2], lambda: guided(image_call(pooled=True))),
    "stable_diffusion_3": Tiny(stable_diffusion_3, FLOW, lambda: guided(image_call(pooled=True))),
    "flux": Tiny(flux, FLOW[:1], lambda: image_call(pooled=True)),
    "wan": Tiny(
        tiny.wan,
        ("UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler"),
        lambda: guided(image_call(num_frames=5)),
    ),
    "cosmos": Tiny(
        cosmos,
        ("UniPCMultistepScheduler",),
        lambda: guided(image_call(num_frames=5)),
        since="0.42.1",  # older ones import torchvision
    ),
    "cogvideox": Tiny(
        cogvideox,
        ("CogVideoXDDIMScheduler", "CogVideoXDPMScheduler"),
        lambda: guided(image_call(num_frames=9)),
    ),
    "ltx": Tiny(
        ltx,
        FLOW[:1],
        lambda: {
            **guided(image_call(num_frames=9)),
            "height": 32,
            "width": 32,
            "prompt_attention_mask": torch.ones(1, 8),
            "negative_prompt_attention_mask": torch.ones(1, 8),
        },
    ),
}


def generate(name: str, pipeline: Any, steps: int = 6, **more: Any) -> torch.Tensor:
    """Run a pipeline to its latents, always from the same noise."""
    torch.manual_seed(0)
    call = {**PIPELINES[name].call(), "num_inference_steps": steps, "output_type": "latent", "return_dict": False, **more}
    return pipeline(generator=torch.Generator().manual_seed(1), **call)[0]  # type: ignore[no-any-return]


def make(name: str) -> Any:
    torch.manual_seed(0)
    pipeline = PIPELINES[name].make()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
