"""SGLang's UniPC, FlowUniPC, Helios and DPM++ of one release on a simulated GPU: upstream against ours, bit for bit.

``python -m tests.contract.support.sglang_schedulers_on_a_simulated_gpu RELEASE [EVERY]`` prints a JSON list, one object per
combination of options; with EVERY, one of so many combinations is run. It is a process of its own, because a simulated GPU
is installed for good.
"""

from __future__ import annotations

import itertools
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from packaging.specifiers import SpecifierSet

from syncfree.adapters.sglang import ADAPTER
from syncfree.adapting import Binding
from syncfree.audit import audit, step
from syncfree.audit.simulated import _kernel_syncs
from syncfree.plugins.coefficient_table.scheduler_step import scheduler_step as coefficient_table
from syncfree.plugins.sync_free.host_timestep import host_timestep
from syncfree.plugins.sync_free.schedule_upload import schedule_upload
from syncfree.plugins.sync_free.scheduler_step import scheduler_step

from .bound_class import bound, calls_and_declines
from .upstream_packages import sglang_scheduler

STEPS = 8
FUNCTIONS: dict[str, Callable[..., Any]] = {"host_timestep": host_timestep, "schedule_upload": schedule_upload}
VARIANTS = {"sync_free": scheduler_step, "coefficient_table": coefficient_table}
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
MODULES = {
    "UniPCMultistepScheduler": "scheduling_unipc_multistep",
    "FlowUniPCMultistepScheduler": "scheduling_flow_unipc_multistep",
    "HeliosScheduler": "scheduling_helios",
    "DPMSolverMultistepScheduler": "scheduling_dpm_solver_multistep",
}


class Case(NamedTuple):
    """One request, and what its scheduler is made with.

    Attributes:
        start: the position in the schedule where it starts; above 0 as image to image does.
        begin: whether the stage tells the scheduler so.
        stop: after how many steps the first of its two schedules is given up.
        autocast: the steps run under autocast, as SGLang's denoising stage runs them.
    """

    scheduler: str
    options: dict[str, Any]
    dtype: torch.dtype
    batch: int
    start: int
    begin: bool
    stop: int
    autocast: bool


@contextmanager
def launches_counted() -> Iterator[list[str]]:
    """Collect the names of the kernels that start, inside of an audit. One may be several on a GPU (a solver's are)."""
    started: list[str] = []
    note = _kernel_syncs.note

    def counting(op: Any, name: str, *operands: Any) -> None:
        if name not in ("empty", "empty_strided", "resize_", "_local_scalar_dense"):
            started.append(name)
        note(op, name, *operands)

    _kernel_syncs.note = counting
    try:
        yield started
    finally:
        _kernel_syncs.note = note


def solver_options(name: str) -> Iterator[dict[str, Any]]:
    """Yield what a scheduler is made with, without what none of its releases can do."""
    orders = (1, 2, 3)
    if name == "DPMSolverMultistepScheduler":
        for order, kind in itertools.product(orders, ("sde-free", "karras", "beta", "flow")):
            yield {"solver_order": order, **_SIGMAS[kind]}
        return
    for order, solver, x0 in itertools.product(orders, ("bh1", "bh2"), (True, False)):
        common = {"solver_order": order, "solver_type": solver, "predict_x0": x0}
        if name == "FlowUniPCMultistepScheduler":
            for shift, corrector in ((1.0, []), (5.0, [0, 3])):
                yield {**common, "shift": shift, "disable_corrector": corrector}
        elif name == "HeliosScheduler":
            for stages in (1, 3):
                yield {**common, "stages": stages, "prediction_type": "flow_prediction" if x0 else "v_prediction"}
        else:
            for kind in ("plain", "karras", "beta", "flow"):
                for prediction in ("epsilon", "flow_prediction" if kind == "flow" and x0 else "v_prediction"):
                    yield {**common, **_SIGMAS[kind], "prediction_type": prediction}


AS_USED: dict[str, dict[str, Any]] = {
    "UniPCMultistepScheduler": {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0},
    "FlowUniPCMultistepScheduler": {"shift": 5.0},
    "HeliosScheduler": {"stages": 1},
    "DPMSolverMultistepScheduler": {"use_flow_sigmas": True, "flow_shift": 3.0},
}
"""What pipelines make them with; always run, in float32."""
_SIGMAS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sde-free": {"algorithm_type": "dpmsolver++"},
    "karras": {"use_karras_sigmas": True},
    "beta": {"use_beta_sigmas": True},
    "flow": {"use_flow_sigmas": True, "flow_shift": 3.0},
}


def cases(name: str, every: int) -> Iterator[Case]:
    yield Case(name, AS_USED[name], torch.float32, batch=1, start=0, begin=True, stop=8, autocast=False)
    yield from itertools.islice(_combinations(name), every // 2, None, every)


def _combinations(name: str) -> Iterator[Case]:
    starts = ((0, True), (0, False), (3, True), (3, False))
    for options, dtype in itertools.product(solver_options(name), DTYPES):
        for (start, begin), (batch, stop), autocast in itertools.product(starts, ((1, 8), (2, 4)), (False, True)):
            yield Case(name, options, dtype, batch, start, begin, stop, autocast)


def denoise(owner: Any, case: Case) -> tuple[list[torch.Tensor], list[int], list[int]]:
    """Two schedules, the first perhaps given up; returns the samples, and host syncs and launches of each step."""
    scheduler = owner(**case.options)
    source = torch.Generator().manual_seed(0)
    shape = (case.batch, 4, 2, 3, 3)
    samples: list[torch.Tensor] = []
    launches: list[int] = []
    syncs: list[int] = []
    for stop in (case.stop, STEPS):
        stages = {"stage_index": case.options["stages"] - 1} if "stages" in case.options else {}
        scheduler.set_timesteps(STEPS, device="cuda", **stages)
        if case.begin:
            scheduler.set_begin_index(case.start)
        sample = torch.randn(shape, generator=source).to(case.dtype).to("cuda")
        timesteps = list(scheduler.timesteps[case.start :])[:stop]
        outputs = [torch.randn(shape, generator=source).to(case.dtype).to("cuda") for _ in timesteps]
        with torch.autocast("cuda", torch.bfloat16, enabled=case.autocast), audit() as report:
            for timestep, output in zip(timesteps, outputs, strict=True):
                step()
                with launches_counted() as started:
                    sample = scheduler.step(output, timestep, sample, return_dict=False)[0]
                launches.append(len(started))
                samples.append(sample)
        syncs += report.per_step()
    return samples, syncs, launches


def bindings_of(name: str, release: str) -> list[Binding]:
    return [
        binding
        for binding in ADAPTER.bindings
        if any(f":{name}." in target for target in binding.targets)
        and any(SpecifierSet(form.releases).contains(release) for form in binding.forms)
    ]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    pairs = zip((x.cpu() for x in a), (y.cpu() for y in b), strict=True)
    return all(
        x.dtype == y.dtype and torch.equal(x.nan_to_num(), y.nan_to_num()) and torch.equal(x.isnan(), y.isnan())
        for x, y in pairs
    )


def examine(owner: type, release: str, case: Case) -> dict[str, Any]:
    samples, syncs, launches = denoise(owner, case)
    found: dict[str, Any] = {
        "case": str(case),
        "scheduler": case.scheduler,
        "finite": sum(map(_finite, samples)) / len(samples),
    }
    found["as_used"] = case.options == AS_USED[case.scheduler]
    found["upstream"] = {"syncs": syncs, "launches": launches}
    bindings = bindings_of(case.scheduler, release)
    for variant, function in VARIANTS.items():
        functions = {**FUNCTIONS, "scheduler_step": function}
        with ExitStack() as stack:
            slots = [stack.enter_context(bound(owner, one, release, functions[one.hook])) for one in bindings]
            ours, syncs, launches = denoise(owner, case)
            counts = [calls_and_declines(by_name) for by_name in slots]
        found[variant] = {
            "equal": same(samples, ours),
            "syncs": syncs,
            "launches": launches,
            "calls": sum(calls for calls, _ in counts),
            "declines": sum(declines for _, declines in counts),
        }
    return found


def _finite(sample: torch.Tensor) -> bool:
    return bool(sample.cpu().isfinite().all())


def main(release: str, every: int = 1) -> list[dict[str, Any]]:
    warnings.simplefilter("ignore")
    with audit(backend="simulated"):
        pass  # from here on there is a GPU
    found = []
    for name, module in MODULES.items():
        try:
            owner = getattr(sglang_scheduler(release, module), name)
        except ModuleNotFoundError as error:
            if not str(error.name).endswith(module):  # not in this release
                raise
            continue
        found += [examine(owner, release, case) for case in cases(name, every)]
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], *map(int, sys.argv[2:]))))
