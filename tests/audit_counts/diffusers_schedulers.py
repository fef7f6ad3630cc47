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
        owner = getattr(diffusers, name)
        yield name, partial(denoise, owner)
        if name == "UniPCMultistepScheduler":
            yield f"{name}, solver_order=3", partial(denoise, owner, solver_order=3)


def denoise(owner: Any, **options: Any) -> tuple[Report, Report]:
    """Count ``set_timesteps`` and each step of a request, the second with its schedule."""
    set_timesteps(owner(**options))  # what is computed on the device is downloaded once per schedule
    torch.manual_seed(0)
    scheduler = owner(**options)
    with audit() as prepare:
        set_timesteps(scheduler)
    with audit() as report:
        for _ in steps(scheduler):
            pass
    return prepare, report


def steps(scheduler: Any) -> Iterator[torch.Tensor]:
    """Step a scheduler through its schedule with random model outputs; yields the sample before and after each step."""
    if _is_token_based(type(scheduler).__name__):
        yield from _refine_tokens(scheduler)
        return
    name = type(scheduler).__name__
    shape = (1, 3, *_SHAPE[1:]) if "CogVideoX" in name or "Helios" in name else _SHAPE
    timesteps = _timesteps(scheduler)
    sample = torch.randn(shape, device="cuda")
    outputs = [torch.randn(shape, device="cuda") for _ in timesteps]
    more: dict[str, Any] = {}
    yield sample
    for number, (timestep, output) in enumerate(zip(timesteps, outputs, strict=True)):
        step()
        if hasattr(scheduler, "scale_model_input"):
            sample = scheduler.scale_model_input(sample, timestep)
        sample, more = _step(scheduler, number, timestep, output, sample, more)
        yield sample


def number_of_steps(scheduler: Any) -> int:
    """Return how many steps `steps` makes."""
    return STEPS if _is_token_based(type(scheduler).__name__) else len(_timesteps(scheduler))


def _is_token_based(name: str) -> bool:
    """Schedulers of discrete diffusion: logits in, token ids out."""
    return name in ("BlockRefinementScheduler", "DiscreteDDIMScheduler", "EntropyBoundScheduler")


def _refine_tokens(scheduler: Any) -> Iterator[torch.Tensor]:
    vocabulary = getattr(scheduler.config, "vocab_size", None) or 50
    mask = {"mask_token_id": vocabulary - 1} if type(scheduler).__name__ == "BlockRefinementScheduler" else {}
    tokens = torch.full((1, 16), vocabulary - 1, device="cuda")
    outputs = [torch.randn(1, 16, vocabulary, device="cuda") for _ in range(STEPS)]
    yield tokens
    for number, output in enumerate(outputs):
        step()
        timestep = number if mask else scheduler.timesteps[number]
        tokens = scheduler.step(output, timestep, tokens, **mask).prev_sample
        yield tokens


def set_timesteps(scheduler: Any) -> None:
    """Make the schedule of a request, as its pipeline does."""
    name = type(scheduler).__name__
    extra = {"stage_index": 0} if name.startswith("Helios") else {}
    steps = 2 if name == "SCMScheduler" else STEPS  # its default schedule has two
    scheduler.set_timesteps(num_inference_steps=steps, device="cuda", **extra)
    if name == "ScoreSdeVeScheduler":
        scheduler.set_sigmas(steps)


def _timesteps(scheduler: Any) -> torch.Tensor:
    """Return what the pipeline iterates over; in two of them the last timestep is only the end of the one before."""
    timesteps: torch.Tensor = scheduler.timesteps
    has_end = type(scheduler).__name__ in ("DDPMWuerstchenScheduler", "SCMScheduler")
    return timesteps[:-1] if has_end else timesteps


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
    if name == "HeliosDMDScheduler":
        distilled = {"dmd_noisy_tensor": sample, "dmd_sigmas": scheduler.sigmas, "dmd_timesteps": timesteps}
        stepped = scheduler.step(output, timestep, sample, cur_sampling_step=number, all_timesteps=timesteps, **distilled)
        return stepped.prev_sample, {}
    if name == "KarrasVeScheduler":
        return scheduler.step(output, scheduler.schedule[number], scheduler.schedule[number] * 0.9, sample).prev_sample, {}
    return scheduler.step(output, timestep, sample, return_dict=False)[0], {}


if __name__ == "__main__":
    main("diffusers", cases)
