"""Host time per step of SGLang's UniPC and FlowUniPC, in one run: ``make bench-schedulers``.

The real scheduler modules of two releases, upstream's code and ours, step the same small latents on the CPU, where a step's
time is the host's: Python, dispatch, and kernels of a few numbers. The clock is the thread's own processor time, which other
work on the machine stretches less than it stretches the wall's. Rounds of all rows are interleaved, in another order each time;
a ratio is taken within a round, so that drift of the machine falls on both sides.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from time import thread_time_ns
from typing import Any

import torch

from syncfree.adapters.sglang.scheduler_step import flow_unipc, unipc
from syncfree.adapting import Binding
from syncfree.plugins.coefficient_table import _tables
from syncfree.plugins.coefficient_table.scheduler_step import scheduler_step as coefficient_table
from syncfree.plugins.sync_free.scheduler_step import scheduler_step as sync_free
from tests.contract.support.bound_class import bound
from tests.contract.support.upstream_packages import sglang_scheduler

from .bars import draw

OLDER, NEWEST = "0.5.11", "0.5.23"
STEPS = 20
SHAPE = (1, 16, 1, 8, 8)
GOAL = 3.0
SCHEDULERS: dict[str, tuple[str, Binding, dict[str, Any]]] = {
    "FlowUniPCMultistepScheduler": ("scheduling_flow_unipc_multistep", flow_unipc.BINDING, {"shift": 5.0}),
    "UniPCMultistepScheduler": (
        "scheduling_unipc_multistep",
        unipc.BINDING,
        {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 5.0},
    ),
}
UPSTREAM = f"upstream {NEWEST}"
TABLE = "coefficient_table"
FIRST = "coefficient_table, a schedule's first request"
OURS = ("sync_free", TABLE, FIRST)

Row = Callable[[], float]


def row(owner: Any, options: dict[str, Any], *, forget: bool) -> Row:
    """A function that runs one request and returns microseconds per step."""
    scheduler = owner(**options)
    outputs = torch.randn(STEPS, *SHAPE, generator=torch.Generator().manual_seed(0)).unbind()

    def request() -> float:
        scheduler.set_timesteps(STEPS, device="cpu")
        scheduler.set_begin_index(0)
        sample = outputs[0]
        timesteps = scheduler.timesteps.unbind()
        if forget:
            _tables._by_content.cache_clear()
        start = thread_time_ns()
        for timestep, output in zip(timesteps, outputs, strict=True):
            sample = scheduler.step(output, timestep, sample, return_dict=False)[0]
        return (thread_time_ns() - start) / 1000 / STEPS

    return request


def rows(name: str, stack: ExitStack) -> dict[str, Row]:
    """Upstream of both releases, and ours in the newest; each from a module of its own."""
    module, binding, options = SCHEDULERS[name]

    def owner(release: str, implementation: Callable[..., Any] | None = None) -> type:
        found: type = getattr(sglang_scheduler.__wrapped__(release, module), name)
        if implementation is not None:
            stack.enter_context(bound(found, binding, release, implementation))
        return found

    made = {
        f"upstream {OLDER}": owner(OLDER),
        UPSTREAM: owner(NEWEST),
        OURS[0]: owner(NEWEST, sync_free),
        TABLE: owner(NEWEST, coefficient_table),
        FIRST: owner(NEWEST, coefficient_table),
    }
    return {label: row(found, options, forget=label == FIRST) for label, found in made.items()}


def measure(name: str, rounds: int, autocast: bool) -> dict[str, list[float]]:
    """Microseconds per step of every round, by row."""
    with ExitStack() as stack, torch.autocast("cpu", torch.bfloat16, enabled=autocast), torch.no_grad():
        requests = rows(name, stack)
        for request in requests.values():
            request()
        seen: dict[str, list[float]] = {label: [] for label in requests}
        order = list(requests)
        for _ in range(rounds):
            random.shuffle(order)
            for label in order:
                seen[label].append(requests[label]())
    return seen


def report(name: str, seen: dict[str, list[float]]) -> float:
    """Print the rows; returns the ratio of the newest upstream to the table."""
    print(f"\n{name}")
    print(f"{'':47}{'minimum':>9}{'median':>9}   {UPSTREAM} / row: minima, median of rounds (5 % to 95 %)")
    for label, times in seen.items():
        ratios = [upstream / mine for upstream, mine in zip(seen[UPSTREAM], times, strict=True)]
        cuts = quantiles(ratios, n=20)
        ratio = f"{min(seen[UPSTREAM]) / min(times):.2f}x, {median(ratios):.2f}x ({cuts[0]:.2f} to {cuts[-1]:.2f})"
        print(f"{label:47}{min(times):9.1f}{median(times):9.1f}   {ratio}")
    return median(upstream / mine for upstream, mine in zip(seen[UPSTREAM], seen[TABLE], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="where to save a picture (PNG)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, dict[str, list[float]]] = {}
    print(f"Python {platform.python_version()}, torch {torch.__version__}, one thread; {options.rounds} interleaved rounds")
    print(f"of {STEPS} steps on {SHAPE} float32 latents at order 2; microseconds per step")
    for autocast in (False, True):
        for name in SCHEDULERS:
            label = name + (" under bfloat16 autocast" if autocast else "")
            found[label] = measure(name, options.rounds, autocast)
            ratio = report(label, found[label])
            if not autocast:
                print(f"goal: {GOAL:.0f}x below {UPSTREAM}: {ratio:.2f}x ({'met' if ratio >= GOAL else 'missed'})")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"python": platform.python_version(), "torch": torch.__version__, "microseconds": found}, file)
    if options.picture:
        draw(
            "A scheduler step in SGLang, tiny latents on the CPU", "host microseconds per step", found, OURS, options.picture
        )


if __name__ == "__main__":
    main()
