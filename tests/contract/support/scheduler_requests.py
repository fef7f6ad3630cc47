"""Requests of diffusers' schedulers on the host, with upstream's code and with ours."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

from .schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound

RELEASE = "0.42.1"
SHAPE = (2, 4, 4, 4)
Samples = list[torch.Tensor]


def draw(seed: int, dtype: torch.dtype = torch.float32, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def options_of(name: str) -> dict[str, Any]:
    """Return what pipelines make a scheduler with that is not the default."""
    return {"skip_prk_steps": True} if name == "PNDMScheduler" else {}


def steps(
    scheduler: Any,
    count: int = 5,
    dtype: torch.dtype = torch.float32,
    *,
    first: int = 0,
    channels: int = SHAPE[1],
    timesteps: list[int] | None = None,
    **options: Any,
) -> Samples:
    """A request; every result of every step.

    Args:
        scheduler: a scheduler.
        count: the number of steps.
        dtype: of samples and model outputs.
        first: the step that an image-to-image request begins with.
        channels: of the model outputs; twice those of the samples where the variance is learned.
        timesteps: custom ones.
        options: of each step.
    """
    if timesteps is None:
        scheduler.set_timesteps(count, device="cpu")
    else:
        scheduler.set_timesteps(timesteps=timesteps, device="cpu")
    if first and hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    generator = torch.Generator().manual_seed(7)
    if "generator" in inspect.signature(scheduler.step).parameters:
        options["generator"] = generator
    looks_back = "old_pred_original_sample" in inspect.signature(scheduler.step).parameters
    sample, old, back = draw(0, dtype), None, None
    found: Samples = []
    for number, timestep in enumerate(scheduler.timesteps[first:]):
        output = draw(number, dtype, (SHAPE[0], channels, *SHAPE[2:]))
        past = {"old_pred_original_sample": old, "timestep_back": back} if looks_back else {}
        results = scheduler.step(model_output=output, timestep=timestep, sample=sample, return_dict=False, **past, **options)
        sample, back = results[0], timestep
        old = results[1] if looks_back else None
        found += results
    return [*found, generator.get_state()]


def both(owner: Any, work: Callable[[Any], Samples], **configuration: Any) -> tuple[Samples, Samples]:
    """Upstream's and ours; ours twice over, because the second request finds what the first computed."""
    expected = work(owner(**configuration))
    with all_bound(owner, RELEASE, FUNCTIONS):
        scheduler = owner(**configuration)
        work(scheduler)
        return expected, work(scheduler)


def same(pair: tuple[Samples, Samples]) -> bool:
    return len(pair[0]) > 0 and all(
        a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(*pair, strict=True)
    )


def error_of(call: Callable[[], Any]) -> str:
    """Return what a call raises, "" if nothing."""
    try:
        call()
    except Exception as error:  # noqa: BLE001  (whichever upstream raises)
        return f"{type(error).__name__}: {error}"
    return ""
