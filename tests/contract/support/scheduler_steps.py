"""Requests on schedulers whose scalars come from tables, compared with upstream's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from .schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound

WARNINGS = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:diffusers_",
    "ignore::RuntimeWarning:diffusers_",
    "ignore:.*algorithm_types:FutureWarning",
    "ignore:Converting a tensor with requires_grad=True to a scalar:UserWarning",  # which torch says once per process
)
RELEASES = ("0.35.0", "0.42.1")
SHAPE = (1, 4, 3, 3)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
EULER = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "LMSDiscreteScheduler")
DPM = ("DPMSolverMultistepScheduler", "DPMSolverMultistepInverseScheduler", "DPMSolverSinglestepScheduler")
FLOW_MATCH = "FlowMatchEulerDiscreteScheduler"
NAMES = (*EULER, *DPM, "DEISMultistepScheduler", FLOW_MATCH)
SPACINGS: tuple[dict[str, Any], ...] = ({}, {"use_karras_sigmas": True}, {"use_exponential_sigmas": True}, {"use_beta_sigmas": True})
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
Samples = list[torch.Tensor]


def scaled(scheduler: Any, sample: torch.Tensor, timestep: Any) -> Any:
    return scheduler.scale_model_input(sample, timestep) if hasattr(scheduler, "scale_model_input") else sample


def steps(scheduler: Any, count: int = 6, dtype: torch.dtype = torch.float32, start: int = 0, seeded: bool = True) -> Samples:
    """A request, from a timestep on; every scaled input and every result of every step."""
    scheduler.set_timesteps(count, device="cpu")
    if start:
        scheduler.set_begin_index(start)
    generator = torch.Generator().manual_seed(0)
    noise = {"generator": torch.Generator().manual_seed(7)} if seeded and "generator" in scheduler.step.__code__.co_varnames else {}
    torch.manual_seed(3)
    sample = torch.randn(SHAPE, generator=generator).to(dtype)
    found = []
    for timestep in scheduler.timesteps[start:]:
        output = torch.randn(SHAPE, generator=generator).to(dtype)
        found.append(scaled(scheduler, sample, timestep))
        stepped = scheduler.step(output, timestep, sample, **noise)
        sample = stepped.prev_sample
        found += [value for value in stepped.to_tuple() if value is not None]
    return found


def pairs(
    owner: Any, release: str, works: list[Callable[[Any], Samples]], **configuration: Any
) -> tuple[list[Samples], tuple[int, int]]:
    """Differing results, of upstream and of a second request of ours; and our calls and declines."""
    different = []
    expected = [work(owner(**configuration)) for work in works]
    with all_bound(owner, release, FUNCTIONS) as totals:
        for theirs, work in zip(expected, works, strict=True):
            scheduler = owner(**configuration)
            work(scheduler)
            if not same(theirs, ours := work(scheduler)):
                different += [theirs, ours]
        return different, totals()


def same(theirs: Samples, ours: Samples) -> bool:
    return len(theirs) > 0 and all(
        a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(theirs, ours, strict=True)
    )


def in_every_dtype(**more: Any) -> list[Callable[[Any], Samples]]:
    return [lambda scheduler, dtype=dtype: steps(scheduler, dtype=dtype, **more) for dtype in DTYPES]  # type: ignore[misc]
