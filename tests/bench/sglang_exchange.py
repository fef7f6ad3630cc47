"""SGLang's exchange of Q, K and V over Gloo, functional, direct, overlapped and packed, in one run: ``make bench-exchange``.

Also how many collectives one attention call takes in each path and release. Gloo moves bytes through the loopback device, so
the times are those of latency and copies on a CPU; on GPUs the same calls go over NCCL.
"""

from __future__ import annotations

import argparse
import json
import platform
from itertools import starmap
from pathlib import Path
from statistics import median
from typing import Any

import torch

from syncfree._ab import Comparison, summarize
from tests.bench.exchange_on_ranks import SIDES, Shape, collectives, seconds_per_attention
from tests.contract.support.gloo_ranks import GlooRanks, gloo_ranks
from tests.environments import unpacked

from .bars import draw

FUNCTIONAL, DIRECT = "0.5.11", "0.5.12.post1"
RELEASES = ("0.5.11", "0.5.12.post1", "0.5.13", "0.5.17", "0.5.20", "0.5.23")
SHAPES: tuple[Shape, ...] = ((1, 32, 12, 32), (1, 256, 12, 64), (1, 1024, 12, 128))
"""Q, K and V of one rank, ``[b, s, h, d]``: 48 KiB, 768 KiB and 6 MiB each."""
RATIOS = (("functional", "direct"), ("functional", "overlapped"), ("functional", "packed"), ("direct", "packed"))


def usp(release: str) -> Path:
    return unpacked("sglang", release) / "sglang/multimodal_gen/runtime/layers/usp.py"


def time_shape(ranks: GlooRanks, shape: Shape, rounds: int) -> tuple[dict[str, list[float]], list[Comparison]]:
    """The slowest rank's seconds per round and side, and the ratios."""
    by_rank = ranks.call(seconds_per_attention, usp(FUNCTIONAL), usp(DIRECT), shape, rounds)
    seconds = {side: list(map(max, zip(*(rank[side] for rank in by_rank), strict=True))) for side in SIDES}
    return seconds, list(starmap(lambda a, b: summarize(a, b, seconds[a], seconds[b]), RATIOS))


def print_times(ranks: GlooRanks, rounds: int) -> list[dict[str, Any]]:
    found = []
    for shape in SHAPES:
        seconds, ratios = time_shape(ranks, shape, rounds)
        kib = 4 * torch.Size(shape).numel() // 1024
        print(f"\n{ranks.size} ranks, Q, K and V {list(shape)} float32 ({kib} KiB each), microseconds")
        for side in SIDES:
            low, middle = (f(seconds[side]) * 1e6 for f in (min, median))
            print(f"  {side:12}minimum {low:9.0f}   median {middle:9.0f}")
        for ratio in ratios:
            print(f"  {ratio.a} / {ratio.b}: {ratio.ratio:.2f} (95 % interval {ratio.low:.2f} to {ratio.high:.2f})")
        found.append({"ranks": ranks.size, "shape": shape, "seconds": seconds})
    return found


def print_collectives(ranks: GlooRanks) -> dict[str, Any]:
    print("\nCollectives of one attention call, the output's and those of masks and replicated tokens included")
    print(f"  {'release':14}{'path':24}{'upstream':>9}{'sync_free':>11}{'packed_all_to_all':>19}")
    found: dict[str, Any] = {}
    for release in RELEASES:
        by_choice = {
            choice: ranks.call(collectives, unpacked("sglang", release), release, choice)[0]
            for choice in ("sync_free", "packed_all_to_all")
        }
        found[release] = by_choice
        for path, (upstream, ours) in by_choice["sync_free"].items():
            print(f"  {release:14}{path:24}{upstream:9}{ours:11}{by_choice['packed_all_to_all'][path][1]:19}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="where to save a picture (PNG)")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {options.rounds} interleaved rounds")
    found: dict[str, Any] = {"times": []}
    for size in (2, 4):
        with gloo_ranks(size) as ranks:
            found["times"] += print_times(ranks, options.rounds)
            if size == 2:
                found["collectives"] = print_collectives(ranks)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))
    if options.picture:
        panels = {
            f"{times['ranks']} ranks, each of Q, K and V {list(times['shape'])}": {
                side: [seconds * 1e6 for seconds in values] for side, values in times["seconds"].items()
            }
            for times in found["times"]
        }
        draw("Q, K and V exchanged over Gloo", "microseconds", panels, ("overlapped", "packed"), options.picture)


if __name__ == "__main__":
    main()
