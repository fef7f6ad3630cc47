"""Run the pipelines that docs/upstream patches, on a simulated GPU, and print what they gave and where they waited.

``python -m tests.engines.diffusers.patched``; the first diffusers on PYTHONPATH is the one that runs.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import diffusers
import torch

from syncfree.audit import audit

from . import pipelines, tiny


def wan_with_two_transformers() -> Any:
    """Wan 2.2: the second transformer denoises below the boundary."""
    pipeline = pipelines.make("wan")
    pipeline.register_modules(transformer_2=tiny.wan().transformer)
    pipeline.register_to_config(boundary_ratio=0.6)
    return pipeline


REQUESTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "wan": (wan_with_two_transformers, {"guidance_scale_2": 1.5}),
    "cogvideox": (lambda: pipelines.make("cogvideox"), {"use_dynamic_cfg": True}),
    "cosmos": (lambda: pipelines.make("cosmos"), {}),
}


def main() -> dict[str, Any]:
    warnings.simplefilter("ignore")
    made = {name: make() for name, (make, _) in REQUESTS.items()}
    with audit(backend="simulated"):
        pass  # from here on there is a GPU
    found: dict[str, Any] = {"diffusers": diffusers.__file__}
    for name, (_, more) in REQUESTS.items():
        pipeline = made[name].to("cuda")
        inputs = {k: v.to("cuda") for k, v in pipelines.PIPELINES[name].call().items() if isinstance(v, torch.Tensor)}
        pipelines.generate(name, pipeline, **inputs, **more)  # what the first request alone waits for is left out
        with audit() as report:
            result = pipelines.generate(name, pipeline, **inputs, **more)
        found[name] = {
            "latents": tiny.digest(result.cpu()),
            "waits": report.count,
            "waits in the loop": max(site.count for site in report.sites()),
            "sites": [f"{site.count} {site.where}" for site in report.sites()],
        }
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
