"""Make two random LoRA adapters for the tiny Llama. Usage: lora_adapters.py FOLDER"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

RANK, HIDDEN = 4, 128
TARGETS = {"q_proj": 128, "v_proj": 64}
CONFIGURATION = {
    "peft_type": "LORA",
    "r": RANK,
    "lora_alpha": 8,
    "target_modules": list(TARGETS),
    "bias": "none",
    "lora_dropout": 0.0,
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": "llama",
}


def main(folder: Path) -> None:
    torch.manual_seed(0)
    for name in ("first", "second"):
        weights = {}
        for layer in range(2):
            for target, size in TARGETS.items():
                prefix = f"base_model.model.model.layers.{layer}.self_attn.{target}"
                weights[f"{prefix}.lora_A.weight"] = torch.randn(RANK, HIDDEN) * 0.1
                weights[f"{prefix}.lora_B.weight"] = torch.randn(size, RANK) * 0.1
        (folder / name).mkdir()
        save_file(weights, folder / name / "adapter_model.safetensors")
        (folder / name / "adapter_config.json").write_text(json.dumps(CONFIGURATION))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
