"""The picture of the diffusers demo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch

if TYPE_CHECKING:
    from .diffusers_unipc import Measured

COLORS = ("#8a8f98", "#12a150", "#2a7de1")
"""Of upstream, the default, and what else was measured."""
FRAMES = (0, 2, 4, 6, 8)


def draw(found: Mapping[str, Measured], seconds: Mapping[str, float], path: Path) -> None:
    """Draw syncs, operators and host time per step over the videos that each choice made."""
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = plt.figure(figsize=(12.5, 7.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    syncs, operators, time = above.subplots(1, 3, width_ratios=(1.5, 1, 1))
    _syncs(syncs, found)
    _bars(operators, {choice: median(r.operations) for choice, r in found.items()}, "operators launched per step", "{:.0f}")
    _bars(time, {choice: s * 1e6 for choice, s in seconds.items()}, "host time per step (us, this CPU)", "{:.0f}")
    _videos(below, found)
    import diffusers

    figure.suptitle(
        f"diffusers {diffusers.__version__}, UniPC in a tiny Wan pipeline: the same video, without the stalls",
        fontsize=14,
        fontweight="bold",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _syncs(axes: Any, found: Mapping[str, Measured]) -> None:
    axes.set_title("host syncs in each scheduler step (simulated GPU)", fontsize=11)
    for (choice, result), color in zip(found.items(), COLORS, strict=True):
        steps = range(1, len(result.syncs) + 1)
        label = f"{choice}: {sum(result.syncs)} in {len(result.syncs)} steps"
        if choice == "upstream":
            axes.bar(steps, result.syncs, 0.75, color=color, label=label)
        else:
            marker, size = ("o", 6) if choice == "sync_free" else ("x", 9)
            style = {"marker": marker, "markersize": size, "markeredgewidth": 1.8, "clip_on": False, "zorder": 3}
            axes.plot(steps, result.syncs, color=color, label=label, linestyle="none", **style)
    axes.set_xlabel("denoising step")
    axes.set_xticks([1, *range(5, len(result.syncs) + 1, 5)])
    axes.set_ylim(0, max(max(r.syncs) for r in found.values()) * 1.55)
    axes.legend(frameon=False, loc="upper left", fontsize=9, handlelength=1)


def _bars(axes: Any, values: Mapping[str, float], title: str, style: str) -> None:
    axes.set_title(title, fontsize=11)
    bars = axes.bar(
        [choice.replace(" ", "\n").replace("_", "\n") for choice in values], list(values.values()), color=COLORS
    )
    upstream = values["upstream"]
    labels = [
        style.format(v) + ("" if choice == "upstream" else f"\n{upstream / v:.1f}x less") for choice, v in values.items()
    ]
    axes.bar_label(bars, labels, padding=3, fontsize=9)
    axes.set_ylim(0, max(values.values()) * 1.25)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _videos(figure: Any, found: Mapping[str, Measured]) -> None:
    rows = figure.subplots(len(found), len(FRAMES) + 1, width_ratios=(1.6, *[1] * len(FRAMES)))
    reference = found["upstream"].video
    low, high = reference.min().item(), reference.max().item()
    for row, (choice, result), color in zip(rows, found.items(), COLORS, strict=True):
        equal = torch.equal(result.video, reference)
        text = "reference" if choice == "upstream" else ("equal, bit for bit" if equal else "DIFFERENT")
        row[0].axis("off")
        row[0].text(1, 0.62, choice, ha="right", color=color, fontsize=12, fontweight="bold")
        row[0].text(1, 0.28, text, ha="right", fontsize=10)
        for axes, frame in zip(row[1:], FRAMES, strict=True):
            picture = ((result.video[0, frame] - low) / (high - low)).permute(1, 2, 0)
            axes.imshow(picture.numpy(), interpolation="nearest")
            axes.axis("off")
            if choice == "upstream":
                axes.set_title(f"frame {frame}", fontsize=9)
