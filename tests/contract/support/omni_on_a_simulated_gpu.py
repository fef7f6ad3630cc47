"""vLLM-Omni's schedulers on a simulated GPU: upstream against ours.

``python -m tests.contract.support.omni_on_a_simulated_gpu RELEASE`` prints a JSON object. vLLM-Omni's wheel is read, not
installed: its ``__init__`` needs all of vLLM, so the packages above the schedulers' modules are entered without running theirs.
OmniGen2's scheduler stands in the module of its pipeline, where empty classes stand in for what that imports of vLLM.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import numpy as np
import torch

import syncfree
from syncfree.adapters.vllm_omni import ADAPTER
from syncfree.adapters.vllm_omni._names import BOOGU, EULER, HELIOS, MAMMOTH, OMNIGEN, UNIPC, WAN_EULER
from syncfree.audit import audit, step
from syncfree.fingerprints._recorder import differences, targets_of
from syncfree.fingerprints._releases import load_releases
from syncfree.fingerprints._wheels import open_wheel
from tests.environments import unpacked

from .launches import Launches

STEPS = 12
SHAPE = (1, 16, 3, 4, 4)
GIVEN = "given sigmas"
"""Whether a request brings its sigmas, in float64, as Helios's pipeline does."""
CONFIGURATIONS: dict[str, tuple[dict[str, Any], ...]] = {
    UNIPC: ({"shift": 5.0}, {"shift": 5.0, "solver_order": 3}, {"shift": 3.0, "solver_type": "bh1"}),
    HELIOS: (
        {"stages": 1},
        {"stages": 1, "solver_order": 3},
        {"stages": 1, "use_dynamic_shifting": True},
        {"stages": 1, GIVEN: True},
        {"stages": 1, "solver_order": 3, GIVEN: True},
    ),
    EULER: ({}, {"use_karras_sigmas": True}, {"stochastic_sampling": True}),
    WAN_EULER: ({"shift": 5.0}, {"shift": 0.7}),
    MAMMOTH: ({}, {"dynamic_time_shift": False}),
    BOOGU: ({}, {"do_shift": False}, {"dynamic_time_shift": False, "time_shift_version": "v1", "seq_len": 512}),
    OMNIGEN: ({}, {"dynamic_time_shift": False}),
}
MODELS = ("", ".schedulers", ".helios", ".wan2_2", ".mammoth_moda2", ".boogu_image", ".omnigen2")
PACKAGES = ("", ".diffusion", ".diffusion.utils", *(f".diffusion.models{name}" for name in MODELS))


def enter(wheel: Path) -> None:
    sys.path[:0] = [str(wheel), str(unpacked("diffusers", "0.42.1"))]
    for name in PACKAGES:
        package = ModuleType(f"vllm_omni{name}")
        package.__path__ = [str(wheel.joinpath("vllm_omni", *name.split(".")[1:]))]
        sys.modules[package.__name__] = package
    pipeline = wheel / "vllm_omni/diffusion/models/omnigen2/pipeline_omnigen2.py"
    if pipeline.exists():
        import_around(pipeline)


def import_around(file: Path) -> None:
    """Import what a file imports; of vLLM, vLLM-Omni and transformers, make modules of empty classes."""
    imports = [node for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.ImportFrom) and node.module]
    for node in sorted(imports, key=lambda node: not str(node.module).startswith("diffusers")):
        module = str(node.module)
        if module.split(".")[0] not in ("vllm", "vllm_omni", "transformers"):
            importlib.import_module(module)
            continue
        made = sys.modules.setdefault(module, ModuleType(module))
        for alias in node.names:
            setattr(made, alias.name, type(alias.name, (), {}))


def request(owner: Any, dtype: torch.dtype, configuration: dict[str, Any]) -> tuple[list[torch.Tensor], list[int], float]:
    """The sample after each step, the syncs of the schedule and of each step, and the launches of a step, a median."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    outputs = [torch.randn(SHAPE, generator=generator).to(dtype).to("cuda") for _ in range(STEPS)]
    configuration = dict(configuration)
    given = {"sigmas": np.linspace(0.999, 0.0, STEPS + 1)[:-1]} if configuration.pop(GIVEN, False) else {}
    scheduler, samples, launches = owner(**configuration), [outputs[0]], list[int]()
    more: dict[str, Any] = {"mu": 0.7} if configuration.get("use_dynamic_shifting") else {}
    if "num_tokens" in inspect.signature(owner.set_timesteps).parameters:
        more = {"num_tokens": 4096}
    with audit() as making:
        scheduler.set_timesteps(STEPS, device="cuda", **given, **more)
    with audit() as report:
        for timestep, output in zip(scheduler.timesteps, outputs, strict=True):
            step()
            with Launches() as mode:
                samples.append(scheduler.step(output, timestep, samples[-1], return_dict=False)[0])
            launches.append(mode.count)
    return [sample.cpu() for sample in samples], [making.count, *report.per_step()], median(launches)


def scheduler_classes() -> Iterator[tuple[str, Any]]:
    """The schedulers that the release has."""
    for target in CONFIGURATIONS:
        module, _, name = target.partition(":")
        try:
            yield target, getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if error.name is None or not module.startswith(error.name):
                raise


def main(release: str) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    with audit(backend="simulated"):
        pass  # from here on there is a GPU
    wheel = unpacked("vllm-omni", release)
    enter(wheel)
    syncfree.load("vllm-omni")
    classes = dict(scheduler_classes())
    found: dict[str, Any] = {
        "stale": differences(load_releases(ADAPTER.home), open_wheel(wheel), targets_of(ADAPTER)),
        "plan": {f"{entry.hook} {entry.targets[0]}": [entry.verdict, entry.state] for entry in syncfree.plan()},
        "equal": {},
        "syncs": {},
        "launches": {},
        "first": {},
    }
    hooks = sorted({binding.hook for binding in ADAPTER.bindings})
    for target, owner in classes.items():
        for configuration in CONFIGURATIONS[target]:
            for dtype in (torch.float32, torch.bfloat16):
                with syncfree.use(**dict.fromkeys(hooks, "upstream")):
                    expected, before, its_launches = request(owner, dtype, configuration)
                name = f"{target} {configuration} {dtype}"
                found["first"][name] = sum(request(owner, dtype, configuration)[1])
                for choice in ("sync_free", "coefficient_table"):
                    with syncfree.use(scheduler_step=choice):
                        samples, after, our_launches = request(owner, dtype, configuration)
                    name = f"{target} {configuration} {dtype} {choice}"
                    found["equal"][name] = all(map(same, expected, samples))
                    found["syncs"][name] = [sum(before), sum(after)]
                    found["launches"][name] = [its_launches, our_launches]
    found["declines"] = sum(c.declines for by in syncfree.counters().values() for t in by.values() for c in t.values())
    return found


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.dtype is b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num())


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
