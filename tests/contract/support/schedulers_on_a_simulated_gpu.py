"""Every bound scheduler of a diffusers release on a simulated GPU: upstream against ours, bit for bit, syncs counted.

``python -m tests.contract.support.schedulers_on_a_simulated_gpu RELEASE`` prints a JSON object by class. It is a process of its
own, because a simulated GPU is installed for good.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import torch

from syncfree.adapters.diffusers import ADAPTER
from syncfree.adapters.diffusers.schedule_upload import BINDINGS as UPLOADS
from syncfree.adapting import Binding
from syncfree.audit import audit, step
from syncfree.hooks import HOOKS
from syncfree.plugins.coefficient_table.scheduler_step import scheduler_step as coefficient_table
from syncfree.plugins.coefficient_table.step_coefficients import step_coefficients
from syncfree.plugins.sync_free.host_timestep import host_timestep
from syncfree.plugins.sync_free.schedule_upload import schedule_upload
from syncfree.plugins.sync_free.scheduler_step import scheduler_step
from syncfree.plugins.sync_free.timestep_index import timestep_index
from tests.environments import unpacked

from .bound_class import bound, calls_and_declines, form_of

STEPS = 30
SHAPE = (2, 4, 4, 4)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SCHEDULES: dict[str, dict[str, Any]] = {
    "RePaintScheduler": {"num_inference_steps": 10},  # its jumps make more of them
    "HeliosScheduler": {"num_inference_steps": STEPS, "stage_index": 0},
    "HeliosDMDScheduler": {"num_inference_steps": STEPS, "stage_index": 0},
    "SCMScheduler": {"num_inference_steps": STEPS, "intermediate_timesteps": None},
}
FUNCTIONS = {
    "host_timestep": host_timestep,
    "schedule_upload": schedule_upload,
    "scheduler_step": scheduler_step,
    "step_coefficients": step_coefficients,
    "timestep_index": timestep_index,
}
assert set(FUNCTIONS) <= set(HOOKS)


def denoise(scheduler: Any, dtype: torch.dtype, generator: torch.Generator | None) -> Iterator[torch.Tensor]:
    """Run a schedule on random model outputs; yields the sample after each step."""
    source = torch.Generator().manual_seed(0)
    video = "CogVideoX" in type(scheduler).__name__ or type(scheduler).__name__ == "HeliosDMDScheduler"
    shape = (SHAPE[0], 3, *SHAPE[1:]) if video else SHAPE

    def draw() -> torch.Tensor:
        return torch.randn(shape, generator=source).to(dtype).to("cuda")

    sample, image = draw(), draw()
    timesteps = scheduler.timesteps
    if type(scheduler).__name__ in ("DDPMWuerstchenScheduler", "SCMScheduler"):
        timesteps = timesteps[:-1]  # the last one is the end of the one before
    outputs = [draw() for _ in range(len(timesteps))]
    old: torch.Tensor | None = None
    noisy = {"generator": generator} if generator is not None else {}
    for position, (timestep, output) in enumerate(zip(timesteps, outputs, strict=True)):
        step()
        if hasattr(scheduler, "scale_model_input"):
            sample = scheduler.scale_model_input(sample, timestep)
        name = type(scheduler).__name__
        if name == "CogVideoXDPMScheduler":
            back = timesteps[position - 1] if position else None
            sample, old = scheduler.step(output, old, timestep, back, sample, **noisy)[:2]
            sample = sample.to(dtype)  # as the pipeline does
        elif name == "RePaintScheduler":
            sample = scheduler.step(output, timestep, sample, image, torch.ones_like(image), **noisy).prev_sample
        elif name == "UnCLIPScheduler":
            following = timesteps[position + 1] if position + 1 < len(timesteps) else None
            sample = scheduler.step(output, timestep, sample, prev_timestep=following, **noisy).prev_sample
        elif name == "DDPMWuerstchenScheduler":
            sample = scheduler.step(output, timestep.expand(len(sample)), sample, **noisy).prev_sample
        elif name == "HeliosDMDScheduler":
            of_stage = {"dmd_sigmas": scheduler.sigmas, "dmd_timesteps": timesteps, "all_timesteps": timesteps}
            of_step = {"cur_sampling_step": position, "dmd_noisy_tensor": image}
            sample = scheduler.step(output, timestep, sample, **of_stage, **of_step).prev_sample
        elif name == "KarrasVeScheduler":
            sigma = scheduler.schedule[position]
            sample = scheduler.step(output, sigma, sigma * 0.9, sample).prev_sample.to(dtype)
        elif name == "ScoreSdeVeScheduler":
            noise = {"generator": torch.Generator().manual_seed(position)} if noisy else {}  # of the host, as its pipeline
            corrected = scheduler.step_correct(output, sample, **noise).prev_sample
            sample = scheduler.step_pred(output, timestep, corrected, **noisy).prev_sample.to(dtype)
        else:
            accepts = noisy if "generator" in scheduler.step.__code__.co_varnames else {}
            sample = scheduler.step(output, timestep, sample, return_dict=False, **accepts)[0]
        yield sample


def run(
    owner: type, dtype: torch.dtype, *, seeded: bool, options: dict[str, Any]
) -> tuple[list[torch.Tensor], dict[str, Any]]:
    """One request: the sample after each step, and the host syncs of the schedule and of each step."""
    torch.manual_seed(0)
    generator = torch.Generator("cuda").manual_seed(3) if seeded else None
    scheduler: Any = owner(**options)
    with audit() as making:
        scheduler.set_timesteps(device="cuda", **SCHEDULES.get(owner.__name__, {"num_inference_steps": STEPS}))
        if owner.__name__ == "ScoreSdeVeScheduler":
            scheduler.set_sigmas(STEPS)
    with audit() as report:
        samples = list(denoise(scheduler, dtype, generator))
    return samples, {
        "schedule": making.count,
        "steps": report.per_step(),
        "sites": sorted({str(s.where) for s in report.hard}),
    }


@contextmanager
def all_bound(
    owner: type, release: str, functions: dict[str, Callable[..., Any]]
) -> Iterator[Callable[[], tuple[int, int]]]:
    """Bind everything that the adapter binds on one class; yields what counts calls and declines."""
    with ExitStack() as stack:
        slots = [
            stack.enter_context(bound(owner, binding, release, functions[binding.hook]))
            for binding in bindings_of(owner.__name__)
        ]

        def totals() -> tuple[int, int]:
            counts = [calls_and_declines(by_name) for by_name in slots]
            return sum(c for c, _ in counts), sum(d for _, d in counts)

        yield totals


def bindings_of(name: str) -> list[Binding]:
    return [binding for binding in ADAPTER.bindings if class_of(binding) == name]


def class_of(binding: Binding) -> str:
    return binding.targets[0].partition(":")[2].partition(".")[0]


def classes(release: str) -> Iterator[type]:
    sys.path.insert(0, str(unpacked("diffusers", release)))
    importlib.import_module("diffusers")
    for binding in UPLOADS:
        with suppress(ImportError):  # the release does not have it, or it needs torchsde
            yield getattr(importlib.import_module(binding.targets[0].partition(":")[0]), class_of(binding))


def options_of(name: str) -> list[dict[str, Any]]:
    if name == "UniPCMultistepScheduler":
        flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
        return [flow, {**flow, "solver_order": 3}]
    return [{}]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    pairs = zip((x.cpu() for x in a), (y.cpu() for y in b), strict=True)
    return all(x.dtype == y.dtype and torch.equal(x.nan_to_num(), y.nan_to_num()) for x, y in pairs)


def examine(owner: type, release: str) -> dict[str, Any]:
    """Upstream against ours, for every dtype, with and without a generator; the syncs are those of float32."""
    found: dict[str, Any] = {"equal": {}, "forms": [form_of(b, release).why for b in bindings_of(owner.__name__)]}
    variants = {"": FUNCTIONS}
    if any(binding.hook == "scheduler_step" for binding in bindings_of(owner.__name__)):
        variants["coefficient_table"] = {**FUNCTIONS, "scheduler_step": coefficient_table}
    for number, options in enumerate(options_of(owner.__name__)):
        for dtype_name, dtype in DTYPES.items():
            for seeded in (False, True):
                upstream, before = run(owner, dtype, seeded=seeded, options=options)
                for variant, functions in variants.items():
                    with all_bound(owner, release, functions) as totals:
                        found.setdefault("first", run(owner, dtype, seeded=seeded, options=options)[1]["schedule"])
                        ours, after = run(owner, dtype, seeded=seeded, options=options)
                        calls, declines = totals()
                    label = f"{dtype_name}{' generator' * seeded}{f' {options}' if number else ''} {variant}".strip()
                    found["equal"][label] = same(upstream, ours)
                    if dtype_name == "float32" and not seeded and not number and not variant:
                        found |= {"upstream": before, "ours": after, "calls": calls, "declines": declines}
    return found


def main(release: str, names: list[str]) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    with audit(backend="simulated"):
        pass  # from here on there is a GPU
    return {owner.__name__: examine(owner, release) for owner in classes(release) if not names or owner.__name__ in names}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2:])))
