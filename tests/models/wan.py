"""A tiny Wan 2.1 text-to-video pipeline with random weights, 5 MB, in diffusers layout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanTransformer3DModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

TEXT_WIDTH = 64
SENTENCES = (
    "a curious raccoon walks in the sunflower field",
    "the quick brown fox jumps over the lazy dog",
    "low quality blurry video with static frames",
)


def transformer() -> WanTransformer3DModel:
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=4,
        attention_head_dim=32,
        in_channels=16,
        out_channels=16,
        text_dim=TEXT_WIDTH,
        freq_dim=64,
        ffn_dim=256,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        eps=1e-6,
        rope_max_seq_len=1024,
    )


def vae() -> AutoencoderKLWan:
    return AutoencoderKLWan(
        base_dim=8,
        z_dim=16,
        dim_mult=[1, 2, 4, 4],
        num_res_blocks=1,
        attn_scales=[],
        temperal_downsample=[False, True, True],
    )


def scheduler(folder: Path) -> None:
    UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
    ).save_pretrained(folder)
    config = folder / "scheduler_config.json"
    settings = json.loads(config.read_text())
    for unknown in ("shift_terminal", "sigma_min", "sigma_max"):  # SGLang to 0.5.12.post1 refuses them
        settings.pop(unknown, None)
    config.write_text(json.dumps(settings, indent=1))


def tokenizer() -> PreTrainedTokenizerFast:
    unigram = Tokenizer(models.Unigram())
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    unigram.train_from_iterator([sentence for sentence in SENTENCES for _ in range(20)], trainer)
    unigram.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=unigram, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )


def text_encoder() -> UMT5EncoderModel:
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=256,
            d_model=TEXT_WIDTH,
            d_kv=16,
            d_ff=128,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=32,
            relative_attention_max_distance=128,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            is_encoder_decoder=True,
            tie_word_embeddings=False,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


INDEX = {
    "_class_name": "WanPipeline",
    "_diffusers_version": "0.37.0",
    "scheduler": ["diffusers", "UniPCMultistepScheduler"],
    "text_encoder": ["transformers", "UMT5EncoderModel"],
    "tokenizer": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "WanTransformer3DModel"],
    "vae": ["diffusers", "AutoencoderKLWan"],
}


def make(folder: Path) -> None:
    """Write the pipeline into `folder`; the weights are the same in every run."""
    torch.manual_seed(0)
    transformer().save_pretrained(folder / "transformer")
    vae().save_pretrained(folder / "vae")
    scheduler(folder / "scheduler")
    tokenizer().save_pretrained(folder / "tokenizer")
    text_encoder().save_pretrained(folder / "text_encoder")
    (folder / "model_index.json").write_text(json.dumps(INDEX, indent=1))


if __name__ == "__main__":
    make(Path(sys.argv[2]))
