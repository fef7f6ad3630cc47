"""The pipelines that are run: their tiny models and what a request asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

STEPS = 12


@dataclass(frozen=True, slots=True)
class Tiny:
    """A pipeline by the name that models have in vLLM-Omni's registry.

    `model` is one of tests.models, `sizes` are arguments of a request's sampling parameters, `scheduler` the class that it denoises with.
    """

    model: str
    scheduler: str
    sizes: dict[str, Any] = field(default_factory=dict)


PIPELINES = {
    "WanPipeline": Tiny("omni-wan", "FlowUniPCMultistepScheduler", {"height": 32, "width": 32, "num_frames": 5}),
}
