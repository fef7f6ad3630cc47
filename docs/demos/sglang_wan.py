"""Demo: a tiny random-weight Wan video on two Ulysses ranks of the real SGLang diffusion engine, with and without syncfree.

    python -m docs.demos.sglang_wan [--release 0.5.11] [--picture FILE]

The engine runs in an environment of its own, with this tree's wheel installed by pip. Its first video uses what syncfree
binds by itself (or what ``--choice`` names), the second switches both ranks to upstream, the third switches back; another
engine runs with ``SYNCFREE=off``. What is printed was computed in this run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from syncfree._ab import Comparison
from tests.contract.support.gloo_ranks import gloo_ranks
from tests.contract.support.usp_on_ranks import time_exchange
from tests.engines.sglang.engine import EXCHANGE, RANKS, Run, generate
from tests.environments import unpacked

from ._children import failures_in_words, last_sentence
from ._tables import print_rows

KILOBYTES = (4, 64, 1024, 8192)
PAIRS = 40


def videos(release: str, choice: str | None, folder: Path, console: Console) -> dict[str, Run]:
    """Run the two engines."""
    environment = {} if choice is None else {f"SYNCFREE_{EXCHANGE.upper()}": choice}
    runs = {}
    with console.status(f"SGLang {release}, {RANKS} ranks: three videos, toggled in between"):
        runs["toggled"] = generate(
            release, made(folder / "toggled"), generations=3, choices=[None, "upstream", "sync_free"], **environment
        )
    with console.status(f"SGLang {release}, {RANKS} ranks: one video with SYNCFREE=off"):
        runs["off"] = generate(release, made(folder / "off"), SYNCFREE="off")
    for name, run in runs.items():
        if run.code:
            sys.exit(f"SGLang {release}, {name}: {last_sentence(run.log)}")
    return runs


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def exchanges(release: str, console: Console) -> dict[int, Comparison]:
    """The release's exchange function against ours, in two processes over Gloo, by kilobytes per rank."""
    source = unpacked("sglang", release) / "sglang/multimodal_gen/runtime/layers/usp.py"
    found = {}
    with gloo_ranks(RANKS) as ranks:
        for kilobytes in KILOBYTES:
            with console.status(f"exchanging {kilobytes} KB"):
                found[kilobytes] = ranks.call(time_exchange, source, release, kilobytes * 256, PAIRS)[0]
    return found


def print_processes(console: Console, run: Run) -> None:
    processes = [*(run.reports[-1][rank] for rank in range(RANKS)), run.parent]
    columns = ("hook and target", "verdict", *(f"rank {rank}" for rank in range(RANKS)), "parent")
    rows, reasons = [], []
    for here in zip(*(sglang_bindings(said) for said in processes), strict=True):
        first = here[0]
        if first["verdict"] != "absent":
            target = first["targets"][0].rpartition(":")[2]
            rows.append((f"{first['hook']} {target}", first["verdict"], *map(state, here)))
            reasons.append(f"{target}: {first['choice']} by {first['source']}; {first['reason']}")
    print_rows(console, "What was bound in each process: calls of ours / of upstream", columns, rows)
    for reason in reasons:
        console.print(f"  {escape(reason)}")


def sglang_bindings(said: dict[str, Any]) -> list[dict[str, Any]]:
    return [binding for binding in said["plan"]["bindings"] if binding["framework"] == "sglang"]


def state(binding: dict[str, Any]) -> str:
    counts = list(binding["counts"].values())
    ours = sum(c["calls"] for by_choice in counts for name, c in by_choice.items() if name != "upstream")
    theirs = sum(by_choice["upstream"]["calls"] for by_choice in counts)
    return f"{binding['state']} {ours} / {theirs}" if counts else str(binding["state"])


def print_videos(console: Console, runs: dict[str, Run]) -> bool:
    """Print the hashes of every step; return whether all videos are the same."""
    (reference,) = runs["off"].made
    table = Table(title=f"Latents after each step and frames, {RANKS} ranks", title_justify="left")
    for column in ("exchange", *(f"step {n + 1}" for n in range(len(reference["latents"]))), "frames", "bits"):
        table.add_column(column)
    choices = (runs["toggled"].entries(0)[0][0]["choice"], "upstream", "sync_free")
    rows = [("SYNCFREE=off", reference)]
    rows += [(f"{n + 1}: {name}", video) for n, (name, video) in enumerate(zip(choices, runs["toggled"].made, strict=True))]
    for name, video in rows:
        word = "reference" if video is reference else ("equal" if video == reference else "DIFFERENT")
        table.add_row(name, *(h[:6] for h in video["latents"]), video["frames"][:6], word)
    console.print(table)
    return all(video == reference for _, video in rows)


def print_exchanges(console: Console, release: str, found: dict[int, Comparison]) -> None:
    table = Table(title=f"One exchange between {RANKS} processes over Gloo, {PAIRS} pairs of blocks", title_justify="left")
    for column in ("per rank", f"SGLang {release}", "sync_free", "upstream / ours (95 % interval)"):
        table.add_column(column, justify="right")
    for kilobytes, result in found.items():
        table.add_row(
            f"{kilobytes} KB",
            f"{middle(result.seconds_a):.0f} us",
            f"{middle(result.seconds_b):.0f} us",
            f"{result.ratio:.2f}x ({result.low:.2f} to {result.high:.2f})",
        )
    console.print(table)
    console.print("Wall time on this CPU, with whatever else runs on it.")


def middle(seconds: tuple[float, ...]) -> float:
    """The median in microseconds."""
    return sorted(seconds)[len(seconds) // 2] * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", default="0.5.11", help="SGLang release, 0.5.11 to 0.5.23 (default: %(default)s)")
    parser.add_argument("--choice", help="name an implementation of the exchange; needed where a release does not stall")
    parser.add_argument("--picture", type=Path, help="where to save the picture (PNG)")
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        with failures_in_words(f"SGLang {options.release}"):
            runs = videos(options.release, options.choice, Path(folder), console)
        console.rule(f"SGLang diffusion {options.release}")
        print_processes(console, runs["toggled"])
        equal = print_videos(console, runs)
        found = exchanges(options.release, console)
        print_exchanges(console, options.release, found)
        if options.picture:
            from .sglang_wan_picture import draw

            draw(options.release, runs, found, Path(folder), options.picture)
            console.print(f"picture: {options.picture}")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
