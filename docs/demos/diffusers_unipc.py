"""Demo: a tiny random-weight Wan pipeline of the installed diffusers, with upstream's UniPC and with syncfree's.

    python -m docs.demos.diffusers_unipc [--picture FILE]

Nothing in this program turns syncfree on: the installed package binds its hooks when diffusers is imported. What is printed
was computed in this run; the host syncs are counted on a simulated GPU, everything else is the real CPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console
from torch.utils._python_dispatch import TorchDispatchMode

import syncfree
from tests.engines.diffusers import tiny

from ._children import printed_by
from ._tables import print_rows, print_wrapped

CHOICES = ("upstream", "default", "sync_free")
STEPS = 20
SHAPE = (1, 16, 3, 4, 4)


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one choice."""

    video: torch.Tensor
    syncs: list[int]
    operations: list[int]
    comparison: Any


class CountOperations(TorchDispatchMode):
    """Counts the operators that a GPU would launch kernels for: all but views."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def new_scheduler(device: str) -> Any:
    from diffusers import UniPCMultistepScheduler

    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    scheduler.set_timesteps(STEPS, device=device)
    scheduler.set_begin_index(0)
    return scheduler


def model_outputs(device: str) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(SHAPE, generator=generator).to(device) for _ in range(STEPS)]


def count_operations(choice: str) -> list[int]:
    """Operators that each scheduler step launches, in the second request with this schedule."""
    counts: list[int] = []
    with syncfree.use(scheduler_step=choice):
        for _ in range(2):
            scheduler, outputs = new_scheduler("cpu"), model_outputs("cpu")
            sample, counts = outputs[0], []
            for timestep, output in zip(scheduler.timesteps, outputs, strict=True):
                with CountOperations() as operations:
                    sample = scheduler.step(output, timestep, sample, return_dict=False)[0]
                counts.append(operations.count)
    return counts


def count_syncs_here(choice: str) -> list[int]:
    """Host syncs of each scheduler step; installs the simulated GPU in this process."""
    from syncfree.audit import audit, step

    with audit(backend="simulated"):
        pass  # install it before any tensor is made
    with syncfree.use(scheduler_step=choice):
        scheduler, outputs = new_scheduler("cuda"), model_outputs("cuda")
        sample = outputs[0]
        with audit() as report:
            for timestep, output in zip(scheduler.timesteps, outputs, strict=True):
                step()
                sample = scheduler.step(output, timestep, sample, return_dict=False)[0]
    return report.per_step()


def count_syncs(choice: str) -> list[int]:
    printed = printed_by("docs.demos.diffusers_unipc", "--count-syncs", choice)
    return list(json.loads(printed.splitlines()[-1]))


def compare_with_upstream(choice: str) -> Any:
    """Host time of a whole schedule of scheduler steps, upstream against a choice, in alternating blocks."""
    scheduler, outputs = new_scheduler("cpu"), model_outputs("cpu")

    def run() -> None:
        scheduler.set_timesteps(STEPS)
        scheduler.set_begin_index(0)
        sample = outputs[0]
        for timestep, output in zip(scheduler.timesteps, outputs, strict=True):
            sample = scheduler.step(output, timestep, sample, return_dict=False)[0]

    hooks = ("scheduler_step",)
    return syncfree.compare(run, a="upstream", b=choice, hooks=hooks, pairs=20, runs_per_block=5, clock=time.process_time)


def measure(console: Console) -> dict[str, Measured]:
    pipeline = tiny.wan()
    found = {}
    for choice in CHOICES:
        with console.status(f"measuring {choice}"):
            with syncfree.use(scheduler_step=choice):
                video = tiny.generate(pipeline, STEPS)
            comparison = None if choice == "upstream" else compare_with_upstream(choice)
            found[choice] = Measured(video, count_syncs(choice), count_operations(choice), comparison)
    return found


def print_plan(console: Console) -> None:
    """Print a row for each hook and choice that is bound here: in how many places, and the reason of the first."""
    plan = syncfree.plan()
    chosen: dict[tuple[str, str], list[syncfree.Entry]] = {}
    for entry in plan:
        if entry.state == "bound":
            chosen.setdefault((entry.hook, f"{entry.choice} ({entry.source})"), []).append(entry)
    rows = [
        (hook, choice, str(len(entries)), f"{entries[0].verdict}: {entries[0].reason}")
        for (hook, choice), entries in chosen.items()
    ]
    print_rows(console, "What was bound in this process, and why", ("hook", "choice", "places", "upstream"), rows)
    waiting = sum(entry.state == "waiting" for entry in plan)
    console.print(f"{waiting} more bindings wait for their modules: the schedulers that this pipeline does not import.")


def print_results(console: Console, found: dict[str, Measured]) -> None:
    upstream = found["upstream"]
    columns = ("scheduler_step", "video", "host syncs per step", "operators per step", "host time per step", "upstream / this")
    rows = []
    for choice, result in found.items():
        equal = "reference" if result is upstream else ("equal, bit for bit" if same(result, upstream) else "DIFFERS")
        comparison = result.comparison
        ratio = "" if comparison is None else f"{comparison.ratio:.2f}x ({comparison.low:.2f} to {comparison.high:.2f})"
        cells = (
            name_of(choice),
            f"{equal} {tiny.digest(result.video)[:8]}",
            f"{median(result.syncs):g}",
            f"{median(result.operations):g}",
            f"{seconds_per_step(choice, found) * 1e6:.0f} us",
            ratio,
        )
        rows.append(cells)
    print_wrapped(console, f"{STEPS} steps, order 2, flow prediction, samples {SHAPE} float32", columns, rows, right=columns[2:])
    console.print(
        "Host syncs: on a simulated GPU. Operators: without views, second request with the schedule. Time: of this process."
    )


def same(a: Measured, b: Measured) -> bool:
    return torch.equal(a.video, b.video)


def seconds_per_step(choice: str, found: dict[str, Measured]) -> float:
    if choice == "upstream":
        return median(found["sync_free"].comparison.seconds_a) / STEPS
    return median(found[choice].comparison.seconds_b) / STEPS


def name_of(choice: str) -> str:
    """A choice as it is shown: the default with the implementation that it is."""
    if choice != "default":
        return choice
    implementations = {entry.choice for entry in syncfree.plan() if entry.hook == "scheduler_step" and entry.state == "bound"}
    return f"default: {', '.join(sorted(implementations))}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="where to save the picture (PNG)")
    parser.add_argument("--count-syncs", choices=CHOICES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count_syncs:
        print(json.dumps(count_syncs_here(options.count_syncs)))
        return 0
    torch.set_num_threads(1)
    console = Console()
    found = measure(console)
    print_plan(console)
    print_results(console, found)
    if options.picture:
        from .diffusers_unipc_picture import draw

        named = {name_of(choice): result for choice, result in found.items()}
        draw(named, {name_of(choice): seconds_per_step(choice, found) for choice in CHOICES}, options.picture)
        console.print(f"picture: {options.picture}")
    return 0 if all(same(result, found["upstream"]) for result in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
