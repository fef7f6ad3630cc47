"""Every diffusers scheduler that can be constructed without arguments, stepped as its pipeline does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from syncfree.audit import Report, audit, step

from .measure import Case, main

STEPS = 10
_SHAPE = (1, 4, 16, 16)


def cases() -> Iterator[Case]:
    import diffusers

    for name in sorted(name for name in dir(diffusers) if name.endswith("Scheduler") and "Flax" not in name):
        yield name, partial(denoise, getattr(diffusers, name))


def denoise(owner: Any) -> tuple[Report, Report]:
    """Count ``set_timesteps`` and each step."""
    torch.manual_seed(0)
    scheduler = owner()
    shape = (1, 3, *_SHAPE[1:]) if "CogVideoX" in owner.__name__ or "Helios" in owner.__name__ else _SHAPE
    with audit() as prepare:
        _set_timesteps(scheduler)
    timesteps = _timesteps(scheduler)
    sample = torch.randn(shape, device="cuda")
    outputs = [torch.randn(shape, device="cuda") for _ in timesteps]
    more: dict[str, Any] = {}
    with audit() as report:
        for number, (timestep, output) in enumerate(zip(timesteps, outputs, strict=True)):
            step()
            if hasattr(scheduler, "scale_model_input"):
                sample = scheduler.scale_model_input(sample, timestep)
            sample, more = _step(scheduler, number, timestep, output, sample, more)
    return prepare, report


def _set_timesteps(scheduler: Any) -> None:
    name = type(scheduler).__name__
    extra = {"stage_index": 0} if name.startswith("Helios") else {}
    steps = 2 if name == "SCMScheduler" else STEPS  # its default schedule has two
    scheduler.set_timesteps(num_inference_steps=steps, device="cuda", **extra)
    if name == "ScoreSdeVeScheduler":
        scheduler.set_sigmas(steps)


def _timesteps(scheduler: Any) -> torch.Tensor:
    """What the pipeline iterates over; Wuerstchen's last timestep is only the end of the one before."""
    timesteps: torch.Tensor = scheduler.timesteps
    return timesteps[:-1] if type(scheduler).__name__ == "DDPMWuerstchenScheduler" else timesteps


def _step(
    scheduler: Any, number: int, timestep: Any, output: torch.Tensor, sample: torch.Tensor, more: dict[str, Any]
) -> tuple[torch.Tensor, dict[str, Any]]:
    name = type(scheduler).__name__
    timesteps = scheduler.timesteps
    if name == "CogVideoXDPMScheduler":
        back = timesteps[number - 1] if number else None
        sample, old = scheduler.step(output, more.get("old"), timestep, back, sample, return_dict=False)
        return sample, {"old": old}
    if name == "UnCLIPScheduler":
        following = timesteps[number + 1] if number + 1 < len(timesteps) else None
        return scheduler.step(output, timestep, sample, prev_timestep=following).prev_sample, {}
    if name == "RePaintScheduler":
        mask = torch.ones_like(sample)
        return scheduler.step(output, timestep, sample, sample, mask).prev_sample, {}
    if name == "ScoreSdeVeScheduler":
        corrected = scheduler.step_correct(output, sample).prev_sample
        return scheduler.step_pred(output, timestep, corrected).prev_sample, {}
    if name == "DDPMWuerstchenScheduler":
        return scheduler.step(output, timestep.expand(sample.shape[0]), sample).prev_sample, {}
    if name == "KarrasVeScheduler":
        return scheduler.step(output, scheduler.schedule[number], scheduler.schedule[number] * 0.9, sample).prev_sample, {}
    return scheduler.step(output, timestep, sample, return_dict=False)[0], {}


if __name__ == "__main__":
    main("diffusers", cases)
