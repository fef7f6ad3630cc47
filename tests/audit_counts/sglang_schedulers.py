"""Every scheduler class of SGLang's diffusion runtime, stepped as its denoising stage does."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from syncfree.audit import Report, audit, step

from .measure import Case, main

STEPS = 10
_PACKAGE = "sglang.multimodal_gen.runtime.models.schedulers"
_SHAPE = (1, 4, 3, 16, 16)
_OPTIONS: dict[str, list[dict[str, Any]]] = {
    "UniPCMultistepScheduler": [{}, {"solver_order": 3}],
    "FlowUniPCMultistepScheduler": [{}, {"solver_order": 3}],
}


def cases() -> Iterator[Case]:
    package = importlib.import_module(_PACKAGE)
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{_PACKAGE}.{info.name}")
        for name, owner in sorted(vars(module).items()):
            if not inspect.isclass(owner) or owner.__module__ != module.__name__ or inspect.isabstract(owner):
                continue
            if name.endswith("Scheduler") and hasattr(owner, "step"):
                for options in _OPTIONS.get(name, [{}]):
                    label = name + "".join(f", {key}={value}" for key, value in options.items())
                    yield label, partial(denoise, owner, options)


def denoise(owner: Any, options: dict[str, Any]) -> tuple[Report, Report]:
    """Count ``set_timesteps`` and each step; the denoising stage calls ``set_begin_index(0)`` before the first."""
    torch.manual_seed(0)
    scheduler = owner(**options)
    arguments = inspect.signature(scheduler.set_timesteps).parameters
    extra: dict[str, Any] = {"device": "cuda"} if "device" in arguments else {}
    if "stage_index" in arguments:
        extra["stage_index"] = 0
    with audit() as prepare:
        scheduler.set_timesteps(STEPS, **extra)
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)
    timesteps = scheduler.timesteps.to("cuda")
    sample = torch.randn(_SHAPE, device="cuda")
    outputs = [torch.randn(_SHAPE, device="cuda") for _ in timesteps]
    with audit() as report:
        for timestep, output in zip(timesteps, outputs, strict=True):
            step()
            if hasattr(scheduler, "scale_model_input"):
                sample = scheduler.scale_model_input(sample, timestep)
            sample = _step(scheduler, output, timestep, sample)
    return prepare, report


def _step(scheduler: Any, output: torch.Tensor, timestep: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    if "return_dict" in inspect.signature(scheduler.step).parameters:
        result: torch.Tensor = scheduler.step(output, timestep, sample, return_dict=False)[0]
        return result
    stepped = scheduler.step(output, timestep, sample)
    return getattr(stepped, "prev_sample", stepped)


if __name__ == "__main__":
    main("sglang", cases)
