"""Check that the default implementation of each hook is the one that costs least: ``make bench-preferences``.

A hook's exact implementations are timed in the order of their declared preference, in alternating blocks of one run. The status
is 1 if one is slower than a less preferred one by more than the noise: if the whole 95 % interval of the ratio says so.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch

from syncfree._ab import Comparison, summarize
from syncfree._entry_points import ORIGIN, Point
from syncfree._hook import PROJECT
from syncfree._own_entry_points import PLUGINS
from syncfree._plugins import Implementation, Plugins
from syncfree.hooks import HOOKS
from syncfree.hooks.scheduler_step import MultistepUpdate
from tests.contract.support.gloo_ranks import gloo_ranks

from .exchange_on_ranks import Shape
from .sglang_exchange import DIRECT, FUNCTIONAL, usp

STEPS = 20
Seconds = dict[str, list[float]]
Workload = Callable[[Sequence[Implementation], int], Seconds]
"""Seconds per block and implementation, given the implementations and the number of rounds."""


def scheduler_step(implementations: Sequence[Implementation], rounds: int) -> Seconds:
    """Time requests of 20 steps of UniPC at order 2 with the same schedule, after one that fills the tables."""
    generator = torch.Generator().manual_seed(0)
    sigmas = torch.linspace(0.999, 0.02, STEPS + 1)
    outputs = [torch.randn(1, 16, 1, 8, 8, generator=generator) for _ in range(STEPS)]

    def request(step: Callable[[MultistepUpdate], torch.Tensor]) -> None:
        sample = outputs[0]
        for start in range(1, STEPS - 1):
            history = (outputs[start - 1], outputs[start])
            common = ("bh2", True, "flow", sigmas, start, "sigmas", history)
            step(MultistepUpdate("corrector", 2, *common, sample, outputs[start + 1], sigmas, "cramer"))
            sample = step(MultistepUpdate("predictor", 2, *common, sample, None, sigmas, "cramer"))

    functions = {one.plugin: one.function() for one in implementations}
    return _alternating({name: lambda f=function: request(f) for name, function in functions.items()}, rounds)


def sequence_parallel_all_to_all(implementations: Sequence[Implementation], rounds: int) -> Seconds:
    """Time the exchange of Q, K and V of one attention call between two ranks over Gloo, 6 MiB each as in denoising."""
    from .exchange_on_ranks import seconds_per_attention

    shape: Shape = (1, 1024, 12, 128)
    sides = {"sync_free": "overlapped", "packed_all_to_all": "packed"}
    with gloo_ranks(2) as ranks:
        by_rank = ranks.call(seconds_per_attention, usp(FUNCTIONAL), usp(DIRECT), shape, rounds)
    return {
        one.plugin: list(map(max, zip(*(rank[sides[one.plugin]] for rank in by_rank), strict=True)))
        for one in implementations
    }


WORKLOADS: dict[str, Workload] = {
    "scheduler_step": scheduler_step,
    "sequence_parallel_all_to_all": sequence_parallel_all_to_all,
}
"""One for each hook with several exact implementations."""


def exact_implementations(hook: str) -> list[Implementation]:
    """Return the exact implementations of this distribution, the most preferred first."""
    found = Plugins(HOOKS)
    for name, path in PLUGINS.items():
        found.register(Point(PROJECT, name, path, ORIGIN, ours=True).load(), name)
    return [one for one in found.candidates(hook) if one.declaration.exact]


def comparisons(hook: str, rounds: int) -> Iterator[Comparison]:
    """Yield the comparison of each implementation with the next less preferred one: above 1, the preferred one is faster."""
    implementations = exact_implementations(hook)
    seconds = WORKLOADS[hook](implementations, rounds)
    for preferred, other in pairwise(one.plugin for one in implementations):
        yield summarize(other, preferred, seconds[other], seconds[preferred])


def _alternating(blocks: dict[str, Callable[[], None]], rounds: int) -> Seconds:
    names = list(blocks)
    seconds: Seconds = {name: [] for name in names}
    for turn in range(-1, rounds):
        for place in range(len(names)):
            name = names[(place + turn) % len(names)]
            start = time.process_time()
            blocks[name]()
            if turn >= 0:
                seconds[name].append(time.process_time() - start)
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    wrong = 0
    for hook in WORKLOADS:
        for found in comparisons(hook, options.rounds):
            is_wrong = found.high < 1
            wrong += is_wrong
            verdict = "WRONG: the less preferred one is faster" if is_wrong else "right"
            print(f"{hook}: {found.b} is preferred to {found.a}: {found.ratio:.2f}x ({found.low:.2f} to {found.high:.2f}), {verdict}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
