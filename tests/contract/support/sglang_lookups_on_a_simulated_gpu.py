"""SGLang's schedulers that are not solvers, of one release on a simulated GPU: upstream against ours, bit for bit.

``python -m tests.contract.support.sglang_lookups_on_a_simulated_gpu RELEASE`` prints a JSON object by case. It is a process of
its own, because a simulated GPU is installed for good.
"""

from __future__ import annotations

import itertools
import json
import sys
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch

from syncfree.audit import audit, step
from syncfree.plugins.sync_free.nearest_sigma import nearest_sigma

from .bound_class import bound, calls_and_declines
from .sglang_schedulers_on_a_simulated_gpu import FUNCTIONS, bindings_of
from .upstream_packages import sglang_scheduler

STEPS = 10
ALL = {**FUNCTIONS, "nearest_sigma": nearest_sigma}
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
FLOW_MATCH: tuple[dict[str, Any], ...] = (
    {},
    {"inverse_timesteps": True},
    {"reverse_sigmas": True, "shift": 5.0},
    {"extra_one_step": True, "sigma_min": 0.0},
)


def timesteps_of(scheduler: Any, kind: str) -> list[torch.Tensor]:
    """Return what a loop steps with: elements of the schedule, or values that are none of it."""
    timesteps = scheduler.timesteps.to("cuda")
    return list(
        {"elements": timesteps, "between": timesteps + 3.25, "double": timesteps.double() + 1 / 3, "int": timesteps.long()}[kind]
    )


def lookups(owner: Any, options: dict[str, Any], dtype: torch.dtype, kind: str) -> Callable[[], tuple[Any, Any]]:
    def request() -> tuple[list[torch.Tensor], Any]:
        scheduler, source = owner(**options), torch.Generator().manual_seed(0)
        scheduler.set_timesteps(STEPS)
        timesteps = timesteps_of(scheduler, kind)
        sample, *outputs = (torch.randn(2, 4, 3, 3, generator=source).to(dtype).to("cuda") for _ in range(STEPS + 1))
        samples = []
        with audit() as report:
            for timestep, output in zip(timesteps, outputs, strict=True):
                step()
                stepped = scheduler.step(output, timestep, sample)
                sample = stepped[0] if isinstance(stepped, tuple) else stepped
                samples.append(sample)
        return [*samples, scheduler.sigmas, scheduler.timesteps], report

    return request


def uploads(owner: Any, begin: bool, **arguments: Any) -> Callable[[], tuple[Any, Any]]:
    def request() -> tuple[list[torch.Tensor], Any]:
        scheduler, sample = owner(), torch.ones(1, 4, 3, 3, device="cuda")
        with audit() as report:
            scheduler.set_timesteps(device="cuda", **arguments)
            if begin:
                scheduler.set_begin_index(0)
            samples = []
            for timestep in scheduler.timesteps:
                step()
                sample = scheduler.step(sample * 0.3, timestep, sample, return_dict=False)[0]
                samples.append(sample)
        return [*samples, scheduler.timesteps], report

    return request


def examine(owner: Any, release: str, request: Callable[[], tuple[Any, Any]]) -> dict[str, Any]:
    expected, before = request()
    with ExitStack() as stack:
        slots = [stack.enter_context(bound(owner, one, release, ALL[one.hook])) for one in bindings_of(owner.__name__, release)]
        result, after = request()
        counts = [calls_and_declines(by_name) for by_name in slots]
    pairs = [(a.cpu(), b.cpu(), a.device == b.device) for a, b in zip(expected, result, strict=True)]
    return {
        "equal": all(same and a.dtype == b.dtype and torch.equal(a, b) for a, b, same in pairs),
        "upstream": before.count,
        "ours": after.count,
        "calls": sum(calls for calls, _ in counts),
        "declines": sum(declines for _, declines in counts),
    }


def main(release: str) -> dict[str, dict[str, Any]]:
    warnings.simplefilter("ignore")
    with audit(backend="simulated"):
        pass  # from here on there is a GPU
    found = {}
    for module, name in (
        ("scheduling_self_forcing_flow_match", "SelfForcingFlowMatchScheduler"),
        ("flow_match_pair", "FlowMatchScheduler"),
    ):
        owner = getattr(sglang_scheduler(release, module), name)
        for options, dtype, kind in itertools.product(FLOW_MATCH, DTYPES, ("elements", "between", "double", "int")):
            found[f"{name} {options} {dtype} {kind}"] = examine(owner, release, lookups(owner, options, dtype, kind))
    owner = sglang_scheduler(release, "scheduling_comfyui_passthrough").ComfyUIPassThroughScheduler
    for arguments in ({}, {"timesteps": [500]}, {"timesteps": torch.tensor([500])}):
        found[f"ComfyUIPassThroughScheduler {arguments}"] = examine(owner, release, uploads(owner, False, **arguments))
    if release != "0.5.9":
        hunyuan = sglang_scheduler(release, "hunyuan3d_scheduler")
        for name in ("Hunyuan3DFlowMatchEulerDiscreteScheduler", "Hunyuan3DConsistencyFlowMatchEulerDiscreteScheduler"):
            owner = getattr(hunyuan, name)
            for begin in (True, False):
                request = uploads(owner, begin, num_inference_steps=STEPS)
                found[f"{name} begin={begin}"] = examine(owner, release, request)
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
