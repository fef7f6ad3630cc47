"""The picture of the SGLang demo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy

from syncfree._ab import Comparison
from tests.engines.sglang.engine import RANKS, Run

GREY, BLUE = "#8a8f98", "#2a7de1"


def draw(release: str, runs: dict[str, Run], found: Mapping[int, Comparison], folder: Path, path: Path) -> None:
    """Draw the calls in both workers and the cost of an exchange over the frames of all four videos."""
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = plt.figure(figsize=(12.5, 8), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.25))
    calls, times = above.subplots(1, 2, width_ratios=(1, 1.25))
    _calls(calls, runs["toggled"])
    _times(times, release, found)
    _videos(below, runs, folder)
    figure.suptitle(
        f"SGLang diffusion {release}, {RANKS} Ulysses ranks: the exchange switched in a running engine, the same video",
        fontsize=14,
        fontweight="bold",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _calls(axes: Any, run: Run) -> None:
    axes.set_title("calls of the hook per video, counted in each worker", fontsize=11)
    before = [[0] * RANKS, [0] * RANKS]
    for video in range(3):
        for side, choice in enumerate(("sync_free", "upstream")):
            totals = run.calls(video, choice)
            for rank, total in enumerate(totals):
                count = total - before[side][rank]
                place = video + (rank - 0.5) * 0.36
                if count:
                    axes.bar(place, count, 0.32, color=(BLUE, GREY)[side])
                    axes.text(place, count, f"{count}\nrank {rank}", ha="center", va="bottom", fontsize=9)
            before[side] = totals
    axes.set_xticks(range(3), ["video 1\nas bound", "video 2\nswitched to upstream", "video 3\nswitched back"])
    axes.set_ylim(0, axes.get_ylim()[1] * 1.3)
    handles = [plt.Rectangle((0, 0), 1, 1, color=color) for color in (BLUE, GREY)]
    axes.legend(handles, ["sync_free", "upstream"], frameon=False, loc="upper right", ncols=2, fontsize=9)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _times(axes: Any, release: str, found: Mapping[int, Comparison]) -> None:
    axes.set_title("one exchange between two processes over Gloo (us, wall time, this CPU)", fontsize=11)
    places = numpy.arange(len(found))
    for offset, color, label, side in (
        (-0.2, GREY, f"SGLang {release}", "seconds_a"),
        (0.2, BLUE, "sync_free", "seconds_b"),
    ):
        values = [numpy.asarray(getattr(result, side)) * 1e6 for result in found.values()]
        middle = numpy.array([numpy.median(v) for v in values])
        spread = numpy.array([numpy.percentile(v, (25, 75)) for v in values]).T
        bars = axes.bar(places + offset, middle, 0.38, color=color, label=label, yerr=abs(spread - middle), ecolor="#555555")
        axes.bar_label(bars, [f"{m:.0f}" for m in middle], padding=3, fontsize=9)
    axes.set_yscale("log")
    axes.set_ylim(axes.get_ylim()[0], axes.get_ylim()[1] * 2.5)
    labels = [f"{_size(kb)}\n{r.ratio:.2f}x ({r.low:.2f} to {r.high:.2f})" for kb, r in found.items()]
    axes.set_xticks(places, labels)
    axes.set_xlabel("sent per rank; below it upstream / sync_free with its 95 % interval")
    axes.legend(frameon=False, loc="upper left", fontsize=9)


def _size(kilobytes: int) -> str:
    return f"{kilobytes} KB" if kilobytes < 1024 else f"{kilobytes // 1024} MB"


def _videos(figure: Any, runs: dict[str, Run], folder: Path) -> None:
    (reference,) = numpy.load(folder / "off" / "made.npy")
    rows = [("SYNCFREE=off", reference)]
    names = ("sync_free", "upstream", "sync_free")
    videos = numpy.load(folder / "toggled" / "made.npy")
    rows += [(f"video {n + 1}: {name}", video) for n, (name, video) in enumerate(zip(names, videos, strict=True))]
    frames = range(len(reference))
    grid = figure.subplots(len(rows), len(frames) + 1, width_ratios=(1.7, *[1] * len(frames)))
    for row, (name, video) in zip(grid, rows, strict=True):
        row[0].axis("off")
        equal = numpy.array_equal(video, reference)
        word = "reference" if video is reference else ("equal, bit for bit" if equal else "DIFFERENT")
        color = BLUE if "sync_free" in name else GREY
        row[0].text(1, 0.62, name, ha="right", color=color, fontsize=12, fontweight="bold")
        row[0].text(1, 0.28, word, ha="right", fontsize=10)
        for axes, frame in zip(row[1:], frames, strict=True):
            axes.imshow(video[frame], interpolation="nearest")
            axes.axis("off")
            if video is reference:
                axes.set_title(f"frame {frame}", fontsize=9)
