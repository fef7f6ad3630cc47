"""vLLM-Omni's FlowUniPC through an adapter of somebody else's, on a simulated GPU: upstream against ours.

``python -m tests.contract.support.omni_on_a_simulated_gpu`` prints a JSON object. vLLM-Omni's wheel is read, not installed: its
``__init__`` needs all of vLLM, so the packages above the scheduler's module are entered without running theirs.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import syncfree
from syncfree._runtime import RUNTIME
from syncfree.audit import audit, step
from syncfree.fingerprints._recorder import differences, targets_of
from syncfree.fingerprints._releases import load_releases
from syncfree.fingerprints._wheels import open_wheel
from tests.environments import unpacked

RELEASE = "0.30.0"
STEPS = 12
SHAPE = (1, 16, 3, 4, 4)
CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {"shift": 5.0},
    {"shift": 5.0, "solver_order": 3},
    {"shift": 3.0, "solver_type": "bh1"},
)
PACKAGES = ("", ".diffusion", ".diffusion.models", ".diffusion.models.schedulers", ".diffusion.utils")


def enter(wheel: Path) -> None:
    sys.path[:0] = [str(wheel), str(unpacked("diffusers", "0.42.1"))]
    for name in PACKAGES:
        package = ModuleType(f"vllm_omni{name}")
        package.__path__ = [str(wheel.joinpath("vllm_omni", *name.split(".")[1:]))]
        sys.modules[package.__name__] = package


def request(owner: Any, dtype: torch.dtype, configuration: dict[str, Any]) -> tuple[list[torch.Tensor], list[int]]:
    """The sample after each step, and the syncs of the schedule and of each step."""
    generator = torch.Generator().manual_seed(0)
    outputs = [torch.randn(SHAPE, generator=generator).to(dtype).to("cuda") for _ in range(STEPS)]
    scheduler, samples = owner(**configuration), [outputs[0]]
    with audit() as making:
        scheduler.set_timesteps(STEPS, device="cuda")
    with audit() as report:
        for timestep, output in zip(scheduler.timesteps, outputs, strict=True):
            step()
            samples.append(scheduler.step(output, timestep, samples[-1], return_dict=False)[0])
    return [sample.cpu() for sample in samples], [making.count, *report.per_step()]


def main() -> dict[str, Any]:
    warnings.simplefilter("ignore")
    with audit(backend="simulated"):
        pass  # from here on there is a GPU
    wheel = unpacked("vllm-omni", RELEASE)
    enter(wheel)
    sys.path.insert(0, str(Path(__file__).parents[2] / "third_party" / "omni"))
    adapter = importlib.import_module("omni_syncfree").ADAPTER
    RUNTIME.adapters().add(adapter, "omni-syncfree")  # an installed distribution is found by its entry point
    syncfree.load("vllm-omni")
    module = importlib.import_module(adapter.bindings[0].targets[0].split(":")[0])
    hooks = tuple(binding.hook for binding in adapter.bindings)
    found: dict[str, Any] = {
        "stale": differences(load_releases(adapter.home), open_wheel(wheel), targets_of(adapter)),
        "plan": {entry.hook: [entry.verdict, entry.state] for entry in syncfree.plan()},
        "equal": {},
    }
    for configuration in CONFIGURATIONS:
        for dtype in (torch.float32, torch.bfloat16):
            with syncfree.use(**dict.fromkeys(hooks, "upstream")):
                expected, before = request(module.FlowUniPCMultistepScheduler, dtype, configuration)
            for choice in ("sync_free", "coefficient_table"):
                with syncfree.use(scheduler_step=choice):
                    samples, after = request(module.FlowUniPCMultistepScheduler, dtype, configuration)
                equal = all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(expected, samples, strict=True))
                found["equal"][f"{configuration} {dtype} {choice}"] = equal
                found.setdefault("syncs", []).append([sum(before), sum(after)])
    found["declines"] = sum(c.declines for by in syncfree.counters().values() for t in by.values() for c in t.values())
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
