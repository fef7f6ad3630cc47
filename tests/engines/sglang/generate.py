"""Generate tiny videos with the real SGLang diffusion engine; what came out goes to a JSON file.

Runs in an environment with SGLang. The ranks are processes of their own, joined by Gloo.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy
from sglang.multimodal_gen.runtime.entrypoints.diffusion_generator import DiffGenerator

STEPS = 4
REQUEST = {
    "prompt": "a curious raccoon walks",
    "height": 64,
    "width": 64,
    "num_frames": 5,
    "num_inference_steps": STEPS,
    "seed": 0,
    "guidance_scale": 5.0,
    "save_output": False,
    "return_frames": True,
    "return_trajectory_latents": True,
}


def digest(values: Any) -> str:
    """A hash of an array's bytes and shape."""
    return hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--master-port", type=int, required=True)
    parser.add_argument("--generations", type=int, default=1)
    options = parser.parse_args()
    generator = DiffGenerator.from_pretrained(
        model_path=options.model,
        num_gpus=options.ranks,
        sp_degree=options.ranks,
        ulysses_degree=options.ranks,
        tp_size=1,
        attention_backend="torch_sdpa",
        master_port=options.master_port,
    )
    made, videos = [], []
    for _ in range(options.generations):
        result = generator.generate(sampling_params_kwargs=REQUEST)
        trajectory = numpy.asarray(result.trajectory_latents.float())
        steps = numpy.moveaxis(trajectory, trajectory.shape.index(STEPS), 0)
        frames = numpy.stack(result.frames)
        videos.append(frames)
        made.append({"latents": [digest(step) for step in steps], "frames": digest(frames), "shape": list(frames.shape)})
    options.out.write_text(json.dumps(made))
    numpy.save(options.out.with_suffix(".npy"), numpy.stack(videos))
    generator.shutdown()


if __name__ == "__main__":
    main()
