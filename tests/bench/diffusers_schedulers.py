"""The cost of a scheduler step for the host, upstream against ours, in one run: ``make bench-diffusers``.

The schedulers of diffusers that pipelines use most, and those whose scalars come from tables. Host time is the thread's CPU time
with small latents on the CPU, so next to nothing of it is the arithmetic of samples, and no row contains a wait for a GPU: on one,
what upstream waits comes on top.
*upstream* is upstream's code with nothing bound. Requests of upstream and ours alternate; the ratio is the median over the pairs with
a 95 % interval. Launches and syncs are counted on a simulated GPU: operators other than views whose result lies on it.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from syncfree._ab import Comparison, summarize
from tests.contract.support.launches import Launches
from tests.contract.support.schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound, coefficient_table

from .bars import OURS, THEIRS

STEPS = 30
REQUESTS = 12
"""In a block, of which the fastest counts: other processes only add time."""
SHAPE = (1, 4, 4, 4)
"""Random numbers are the device's work, and more of them take a CPU as long as the rest of a step."""
FRAMES, STRIDE = 150, 37
"""CPython allocates frames in chunks of 16 KiB, and a call that begins a chunk costs microseconds. Pairs run at different
depths of the stack, or a row would say where the chunks end."""
FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
SCHEDULERS: dict[str, dict[str, Any]] = {
    "UniPCMultistepScheduler": FLOW,
    "DDIMScheduler": {},
    "DDPMScheduler": {},
    "PNDMScheduler": {"skip_prk_steps": True},  # as in the Stable Diffusion checkpoints
    "LCMScheduler": {},
    "TCDScheduler": {},
    "SASolverScheduler": {},
    "CogVideoXDPMScheduler": {},
    "CogVideoXDDIMScheduler": {},
    "DPMSolverMultistepScheduler": {},
    "DPMSolverSinglestepScheduler": {},
    "DEISMultistepScheduler": {},
    "HeunDiscreteScheduler": {},
    "LMSDiscreteScheduler": {},
    "EulerAncestralDiscreteScheduler": {},
    "EulerDiscreteScheduler": {},
    "FlowMatchEulerDiscreteScheduler": {},
}
GOALS = {
    "UniPCMultistep, coefficient_table": 4,
    "DDIM": 2,
    "DDPM": 4,
    "PNDM": 2,
    "LCM": 2,
    "TCD": 2,
    "CogVideoXDPM": 3,
    "DPMSolverMultistep": 3,
    "EulerAncestralDiscrete": 2.5,
    "EulerDiscrete": 2,
}
"""Upstream's host time over ours, at least."""
TABLE = {**FUNCTIONS, "scheduler_step": coefficient_table}
Functions = dict[str, Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """One scheduler under one choice.

    Attributes:
        upstream, ours: host microseconds per step, medians.
        ratio, low, high: upstream / ours with its 95 % interval.
        launches, syncs: per step, upstream and ours.
    """

    name: str
    upstream: float
    ours: float
    ratio: float
    low: float
    high: float
    launches: tuple[float, float]
    syncs: tuple[float, float]


def variants() -> Iterator[tuple[str, str, Functions]]:
    """Label, class and functions of each row."""
    for name in SCHEDULERS:
        yield name.removesuffix("Scheduler"), name, FUNCTIONS
        if name == "UniPCMultistepScheduler":
            yield f"{name.removesuffix('Scheduler')}, coefficient_table", name, TABLE


def steps(scheduler: Any, outputs: list[torch.Tensor]) -> Iterator[torch.Tensor]:
    """One request, step by step; yields the samples."""
    sample, old, back = outputs[0], None, None
    cogvideox = type(scheduler).__name__ == "CogVideoXDPMScheduler"
    for output, timestep in zip(outputs, scheduler.timesteps, strict=True):
        if cogvideox:
            sample, old = scheduler.step(output, old, timestep, back, sample, return_dict=False)
            back = timestep
        else:
            sample = scheduler.step(output, timestep, scheduler.scale_model_input(sample, timestep), return_dict=False)[0]
        yield sample


def flow_match_takes_samples_as_they_are(owner: Any) -> None:
    if not hasattr(owner, "scale_model_input"):
        owner.scale_model_input = lambda self, sample, timestep: sample


def prepared(name: str, device: str) -> tuple[Any, list[torch.Tensor]]:
    import diffusers

    owner = getattr(diffusers, name)
    flow_match_takes_samples_as_they_are(owner)
    scheduler = owner(**SCHEDULERS[name])
    scheduler.set_timesteps(STEPS, device=device)
    generator = torch.Generator().manual_seed(0)
    count = len(scheduler.timesteps)
    return scheduler, [torch.randn(SHAPE, generator=generator).to(device) for _ in range(count)]


def compare(name: str, release: str, functions: Functions, pairs: int) -> Comparison:
    scheduler, outputs = prepared(name, "cpu")

    def requests() -> float:
        times = []
        for _ in range(REQUESTS):
            scheduler.set_timesteps(STEPS, device="cpu")
            torch.manual_seed(0)
            start = time.thread_time()
            for _ in steps(scheduler, outputs):
                pass
            times.append(time.thread_time() - start)
        return min(times) / len(outputs)

    def block(ours: bool, depth: int) -> float:
        if depth:
            return block(ours, depth - 1)
        with all_bound(type(scheduler), release, functions):  # on both sides, for binding leaves cold caches behind
            if ours:
                return requests()
        return requests()

    seconds: dict[bool, list[float]] = {False: [], True: []}
    for pair in range(pairs + 1):
        for ours in (False, True) if pair % 2 == 0 else (True, False):
            seconds[ours].append(block(ours, pair * STRIDE % FRAMES))
    return summarize("upstream", "ours", seconds[False][1:], seconds[True][1:])


def counted(release: str) -> dict[str, list[float]]:
    """Launches and syncs per step by row: the medians of a second request, upstream first; installs a simulated GPU for good."""
    from syncfree.audit import audit, step

    with audit(backend="simulated"):
        pass
    found = {}
    for label, name, functions in variants():
        figures: list[float] = []
        for chosen in (None, functions):
            scheduler, outputs = prepared(name, "cuda")
            with all_bound(type(scheduler), release, chosen) if chosen else nullcontext():
                for _ in range(2):
                    scheduler.set_timesteps(STEPS, device="cuda")
                    launches: list[int] = []
                    with audit() as report:
                        request = steps(scheduler, outputs)
                        for _ in outputs:
                            step()
                            with Launches() as mode:
                                next(request)
                            launches.append(mode.count)
            figures += [median(launches), median(report.per_step())]
        found[label] = figures
    return found


def measure(release: str, pairs: int) -> list[Row]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.diffusers_schedulers", "--count", release]
    counts = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    rows = []
    for label, name, functions in variants():
        found = compare(name, release, functions, pairs)
        before, after = (median(seconds) * 1e6 for seconds in (found.seconds_a, found.seconds_b))
        launches, syncs, launches_after, syncs_after = counts[label]
        row = (found.ratio, found.low, found.high, (launches, launches_after), (syncs, syncs_after))
        rows.append(Row(label, before, after, *row))
    return rows


def table(rows: list[Row]) -> str:
    lines = [
        "| scheduler | host us per step: upstream | ours | upstream / ours | launches per step | syncs per step |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        ratio = f"{row.ratio:.2f}x ({row.low:.2f} to {row.high:.2f})"
        pairs = (f"{a:g} → {b:g}" for a, b in (row.launches, row.syncs))
        lines.append(f"| {row.name} | {row.upstream:.1f} | {row.ours:.1f} | {ratio} | {' | '.join(pairs)} |")
    return "\n".join(lines)


def draw(rows: list[Row], title: str, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (times, launches) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained", sharey=True)
    places = range(len(rows))
    for axes, pairs in ((times, [(r.upstream, r.ours) for r in rows]), (launches, [r.launches for r in rows])):
        axes.barh([p - 0.2 for p in places], [a for a, _ in pairs], 0.38, color=THEIRS, label="upstream")
        axes.barh([p + 0.2 for p in places], [b for _, b in pairs], 0.38, color=OURS, label="syncfree")
        axes.spines[["top", "right"]].set_visible(False)
    for place, row in zip(places, rows, strict=True):
        text = f"{row.ratio:.2f}x ({row.low:.2f} to {row.high:.2f})"
        times.text(max(row.upstream, row.ours) * 1.1, place, text, va="center", fontsize=9)
        launches.text(max(row.launches) + 1, place, f"syncs {row.syncs[0]:g} → {row.syncs[1]:g}", va="center", fontsize=9)
    times.set_yticks(places, [row.name for row in rows])
    times.invert_yaxis()
    times.set_title("host microseconds per step, tiny latents on the CPU; logarithmic", fontsize=11)
    launches.set_title("kernel launches and host syncs per step (simulated GPU)", fontsize=11)
    times.set_xscale("log")
    times.set_xlim(5, max(row.upstream for row in rows) * 15)
    launches.set_xlim(0, max(row.launches[0] for row in rows) * 1.2)
    launches.legend(frameon=False, loc="lower right")
    figure.suptitle(title, fontweight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--picture", type=Path, metavar="FILE", help="where to save a picture (PNG)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--count", metavar="RELEASE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.count:
        print(json.dumps(counted(options.count)))
        return 0
    import diffusers

    torch.set_num_threads(1)
    rows = measure(diffusers.__version__, options.pairs)
    title = f"diffusers {diffusers.__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    print(f"{title}; {STEPS} steps, latents {SHAPE} float32; {options.pairs} interleaved pairs\n\n{table(rows)}\n")
    by_name = {row.name: row for row in rows}
    for name, goal in GOALS.items():
        print(f"goal: {name} {goal}x: {by_name[name].ratio:.2f}x ({'met' if by_name[name].ratio >= goal else 'missed'})")
    slower = [row.name for row in rows if row.high < 1]
    print(f"goal: none slower: {'missed by ' + ', '.join(slower) if slower else 'met'}")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2), "utf-8")
    if options.picture:
        draw(rows, f"A scheduler step, upstream against syncfree: {title}", options.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
