"""Generate with tiny pipelines of diffusers. Usage: diffusers_pipelines.py PIPELINE[=HOOK] ..."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from digests import digest
from measuring import BEGUN, Measurement, about

from tests.engines.diffusers.pipelines import PIPELINES, generate, make

STEPS = 6


def run(name: str, hook: str | None) -> dict[str, Any]:
    """One request; waits before the first step are counted in it, and those after the last one in that."""
    pipeline = make(name).to("cuda")
    prompt = {key: value.to("cuda") for key, value in PIPELINES[name].call().items() if isinstance(value, torch.Tensor)}
    measurement = Measurement(hook)
    with measurement.steps(STEPS):
        latents = generate(name, pipeline, STEPS, **prompt)
    return {**measurement.told(), "steps": STEPS, "generated": digest([latents]), "finite": bool(latents.isfinite().all())}


def main(*cases: str) -> None:
    warnings.simplefilter("ignore")
    started = time.time() - BEGUN
    told = {name: run(name, hook or None) for name, _, hook in (item.partition("=") for item in cases)}
    Path(os.environ["RESULT"]).write_text(json.dumps({"about": {**about(), "start_seconds": round(started, 1)}, "cases": told}))


if __name__ == "__main__":
    main(*sys.argv[1:])
