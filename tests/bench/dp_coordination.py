"""The cost of data-parallel ranks' coordination before a step, in one run: ``make bench-dp``.

Upstream's functions of vLLM 0.32.0 over Gloo, and the same with ``shm_mailbox``, in blocks that alternate. Three rows for each
number of ranks: V1 is ``_synchronize_dp_ranks``, V2 ``sync_cudagraph_and_dp_padding``, each with all that it calls, and V2 of
0.33.0, whose ranks send each other messages in pairs instead of a collective. The ranks call one after the other without a
pause. *loaded*: one process that computes for each core, beside the ranks; *idle* is idle
only if nothing else runs on the machine. Last, the processor time of a rank that waits.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles

from tests.contract.support.gloo_ranks import GlooRanks, gloo_ranks
from tests.contract.support.mailbox_on_ranks import processor_seconds_of_waiting

from .bars import draw
from .dp_coordination_on_ranks import PLUGIN, ROWS, block

RANKS = (2, 4)
WAIT_S = 2.0
IDLE_GOAL = 10.0
Pair = tuple[float, float]


@contextmanager
def load(processes: int) -> Iterator[None]:
    """So many processes that compute."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: sum(range(1000))"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def measure(ranks: GlooRanks, row: str, blocks: int, calls: int) -> list[Pair]:
    """Seconds per call of upstream and of ours, of the slowest rank, by pair of blocks."""
    pairs = []
    for number in range(blocks):
        found = {ours: max(ranks.call(block, row, ours, calls)) for ours in ((False, True), (True, False))[number % 2]}
        pairs.append((found[False], found[True]))
    return pairs[1:]  # the first pair agrees and warms up


def line(pairs: list[Pair]) -> tuple[str, float]:
    """The printed lowest values and medians with quartiles, and the median ratio."""
    theirs, ours = zip(*pairs, strict=True)
    ratios = [a / b for a, b in pairs]
    text = ""
    for values, lowest in ((theirs, min(theirs)), (ours, min(ours)), (ratios, None)):
        scale = 1.0 if lowest is None else 1e6
        low, middle, high = (value * scale for value in quantiles(values, n=4))
        least = "" if lowest is None else f"{lowest * scale:.0f}, "
        digits = 1 if lowest is None else 0
        text += f"{least}{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})".rjust(30)
    return text, quantiles(ratios, n=4)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=40)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--state", choices=("idle", "loaded"), help="only this one; never `loaded` at a real-time priority")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="where to save a picture (PNG)")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    busy = os.getloadavg()[0]
    python = platform.python_version()
    print(f"vLLM 0.32.0 but for the last rows; Python {python}, {cores} cores; {busy:.1f} processes ran here before")
    print("microseconds per call: lowest, median (quartiles); ratio of neighbouring blocks: median (quartiles)")
    print(f"{'':30}{'upstream, Gloo':>30}{PLUGIN:>30}{'ratio':>30}")
    everything: dict[str, list[Pair]] = {}
    ratios: dict[str, float] = {}
    waiting: dict[int, float] = {}
    for size in RANKS:
        with gloo_ranks(size) as ranks:
            for state in (options.state,) if options.state else ("idle", "loaded"):
                with load(cores if state == "loaded" else 0):
                    for row in ROWS:
                        name = f"{row}, {size} ranks, {state}"
                        everything[name] = measure(ranks, row, options.blocks, options.calls)
                        text, ratios[name] = line(everything[name])
                        print(f"{name:30}{text}", flush=True)
            spent = ranks.call(processor_seconds_of_waiting, size - 1, WAIT_S)
            waiting[size] = max(spent[:-1]) / WAIT_S
    for size, share in waiting.items():
        print(f"a rank that waits {WAIT_S:.0f} s for another one, {size} ranks: {share:.2%} of a core")
    for state, goal in (("idle", IDLE_GOAL), ("loaded", 1.0)):
        for size in RANKS:
            _goal(f"{size} ranks, {state}", ratios, goal)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"seconds": everything, "waiting": waiting}, file, indent=1)
    if options.picture:
        title = f"Coordination of data-parallel ranks, vLLM 0.32.0 and 0.33.0, {cores} cores"
        draw(title, "microseconds per call", _panels(everything), (PLUGIN,), options.picture)


def _panels(everything: dict[str, list[Pair]]) -> dict[str, dict[str, list[float]]]:
    """Microseconds by row, one panel for each number of ranks and state."""
    panels: dict[str, dict[str, list[float]]] = {}
    for name, pairs in everything.items():
        runner, _, panel = name.partition(", ")
        rows = panels.setdefault(panel, {})
        for side, place in (("Gloo", 0), (PLUGIN, 1)):
            rows[f"{runner}, {side}"] = [pair[place] * 1e6 for pair in pairs]
    return panels


def _goal(state: str, ratios: dict[str, float], goal: float) -> None:
    """Say whether the worse row meets its goal; against messages in pairs it is to be no slower."""
    for what, in_pairs, least in (("a collective over Gloo", False, goal), ("messages in pairs", True, 1.0)):
        found = [ratio for name, ratio in ratios.items() if name.endswith(state) and name.startswith("V2 of") == in_pairs]
        if found:
            verdict = "met" if min(found) >= least else "missed"
            print(f"goal, {state}: {least:.0f}x below {what}: {min(found):.1f}x in the worst row ({verdict})")


if __name__ == "__main__":
    main()
