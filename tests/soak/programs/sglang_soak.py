"""Generate tiny videos with one SGLang engine on two ranks for some time. Usage: sglang_soak.py MODEL FOLDER SECONDS PORT

FOLDER/made.json gets the first video's hashes, how many were made, and those that differed from the first.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy
from generate import REQUEST, STEPS, digest
from sglang.multimodal_gen.runtime.entrypoints.diffusion_generator import DiffGenerator

RANKS = 2


def video(generator: Any) -> dict[str, Any]:
    """Hashes of the latents of every step and of the frames."""
    result = generator.generate(sampling_params_kwargs=REQUEST)
    trajectory = numpy.asarray(result.trajectory_latents.float())
    steps = numpy.moveaxis(trajectory, trajectory.shape.index(STEPS), 0)
    return {"latents": [digest(step) for step in steps], "frames": digest(numpy.stack(result.frames))}


def main(model: str, folder: Path, seconds: float, port: int) -> None:
    options = {"sp_degree": RANKS, "ulysses_degree": RANKS, "tp_size": 1, "attention_backend": "torch_sdpa"}
    generator = DiffGenerator.from_pretrained(model_path=model, num_gpus=RANKS, master_port=port, **options)
    first = video(generator)
    made, different, end = 1, [], time.monotonic() + seconds
    while time.monotonic() < end:
        made += 1
        if video(generator) != first:
            different.append(made)
    (folder / "made.json").write_text(json.dumps({"first": first, "made": made, "different": different}))
    generator.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
