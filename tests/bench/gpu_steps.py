"""Step loops of the installed frameworks' schedulers on a CUDA device, under each choice; a part of ``make bench-gpu``.

What a row holds, per step: host syncs as the auditor counts them, kernels as the profiler sees them, microseconds until the host
has launched everything, and until the device is done. Each is taken in a run of its own, after one run that is not looked at,
because the table is filled by a schedule's first request. All times come first: profiling costs time, and the first audit
switches a trace on for as long as the process lives. The host's time says something with the small latents only: with large
ones it waits for room in the queue.
"""

from __future__ import annotations

import importlib
import importlib.util
import random
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from statistics import median
from time import perf_counter
from typing import Any

STEPS = 50
SHAPES = {"small": (1, 16, 1, 8, 8), "video": (1, 16, 21, 60, 104)}
ROUNDS = 10
CHOICES = ("upstream", "sync_free", "coefficient_table")
_UNIPC = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
_SGLANG = "sglang.multimodal_gen.runtime.models.schedulers"
SCHEDULERS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("diffusers", "diffusers.schedulers.scheduling_unipc_multistep", "UniPCMultistepScheduler", _UNIPC),
    ("sglang", f"{_SGLANG}.scheduling_flow_unipc_multistep", "FlowUniPCMultistepScheduler", {"shift": 5.0}),
    ("sglang", f"{_SGLANG}.scheduling_unipc_multistep", "UniPCMultistepScheduler", _UNIPC),
)


def measure(progress: Callable[[dict[str, Any]], object], *, steps: int = STEPS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Rows by scheduler, latents and dtype; a sentence where a framework is not installed.

    `progress` is called with the rows so far, whenever some are filled.
    """
    import torch

    import syncfree

    found: dict[str, Any] = {"steps": steps, "rounds": rounds}
    requests: list[tuple[Request, dict[str, dict[str, Any]]]] = []
    for framework, module, name, options in SCHEDULERS:
        if importlib.util.find_spec(framework) is None:
            found[f"{framework} {name}"] = f"{framework} is not installed"
            continue
        syncfree.load(framework)
        owner = getattr(importlib.import_module(module), name)
        by_latents = found[f"{framework} {version(framework)} {name}"] = {}
        for label, shape in SHAPES.items():
            for dtype in (torch.float32, torch.bfloat16):
                rows = by_latents[f"{label} {dtype}"] = {choice: {} for choice in CHOICES}
                requests.append((Request(owner, options, shape, dtype, steps), rows))
    for fill in (partial(_times, rounds=rounds), _kernels_and_equality, _syncs):
        for request, rows in requests:
            fill(request, rows)
            progress(found)
    return found


def _times(request: Request, rows: dict[str, dict[str, Any]], *, rounds: int) -> None:
    """Medians over rounds, in which the choices take turns."""
    taken: dict[str, list[tuple[float, float]]] = {choice: [] for choice in CHOICES}
    order = list(CHOICES)
    for turn in range(rounds + 1):
        random.shuffle(order)
        for choice in order:
            with _using(choice):
                times = request.times()
            if turn:  # the first is not looked at
                taken[choice].append(times)
    for choice, pairs in taken.items():
        for key, times_of_key in zip(("host_microseconds", "microseconds"), zip(*pairs, strict=True), strict=True):
            rows[choice][key] = {"median": median(times_of_key), "lowest": min(times_of_key), "highest": max(times_of_key)}


def _kernels_and_equality(request: Request, rows: dict[str, dict[str, Any]]) -> None:
    import torch

    samples = {}
    for choice in CHOICES:
        with _using(choice):
            samples[choice] = request.run()
            rows[choice]["kernels"] = request.kernels()
        rows[choice]["equal_to_upstream"] = torch.equal(samples[choice], samples["upstream"])


def _syncs(request: Request, rows: dict[str, dict[str, Any]]) -> None:
    for choice in CHOICES:
        with _using(choice):
            rows[choice] |= request.syncs()


def _using(choice: str) -> Any:
    import syncfree

    others = "upstream" if choice == "upstream" else "sync_free"
    return syncfree.use(scheduler_step=choice, host_timestep=others, schedule_upload=others)


class Request:
    """One schedule from its first step to its last, always with the same model outputs."""

    def __init__(self, owner: Any, options: dict[str, Any], shape: tuple[int, ...], dtype: Any, number: int) -> None:
        import torch

        self._number = number

        source = torch.Generator("cuda").manual_seed(0)
        self._make = lambda: owner(**options)
        self._first, self._output = torch.randn(2, *shape, generator=source, device="cuda").to(dtype).unbind()

    def prepare(self) -> Any:
        """Make a scheduler with a schedule, as a stage does that sets a begin index."""
        scheduler = self._make()
        scheduler.set_timesteps(self._number, device="cuda")
        scheduler.set_begin_index(0)
        return scheduler

    def steps(self, scheduler: Any) -> Iterator[Any]:
        """The sample after each step."""
        sample = self._first
        for timestep in scheduler.timesteps:
            sample = scheduler.step(self._output, timestep, sample, return_dict=False)[0]
            yield sample

    def run(self) -> Any:
        """The last sample."""
        return list(self.steps(self.prepare()))[-1]

    def syncs(self) -> dict[str, float]:
        """Host syncs of making the schedule, and per step."""
        from syncfree.audit import audit

        with audit() as making:
            scheduler = self.prepare()
        with audit() as report:
            self._exhaust(scheduler)
        return {"syncs_of_the_schedule": making.count, "syncs": report.count / self._number}

    def kernels(self) -> float:
        """Kernels per step, without copies and fills."""
        import torch
        from torch.profiler import ProfilerActivity, profile

        scheduler = self.prepare()
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as taken:
            self._exhaust(scheduler)
            torch.cuda.synchronize()
        on_device = [event.name for event in taken.events() if event.device_type == torch.autograd.DeviceType.CUDA]
        return sum(not name.startswith(("Memcpy", "Memset")) for name in on_device) / self._number

    def times(self) -> tuple[float, float]:
        """Microseconds per step until everything is launched, and until it is done."""
        import torch

        scheduler = self.prepare()
        torch.cuda.synchronize()
        start = perf_counter()
        self._exhaust(scheduler)
        launched = perf_counter()
        torch.cuda.synchronize()
        done = perf_counter()
        return (launched - start) / self._number * 1e6, (done - start) / self._number * 1e6

    def _exhaust(self, scheduler: Any) -> None:
        for _ in self.steps(scheduler):
            pass
