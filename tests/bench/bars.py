"""The picture of a benchmark whose rows are times."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles

THEIRS, OURS = "#8a8f98", "#2a7de1"

Panels = Mapping[str, Mapping[str, Sequence[float]]]


def draw(title: str, unit: str, panels: Panels, ours: Collection[str], path: Path) -> None:
    """Save one panel per group of rows; a bar is the median of a row's times, its line goes from 5 % to 95 % of them.

    Args:
        unit: what the axis says.
        panels: by their titles, the times by row; at least two times per row.
        ours: what the names of our rows end with.
        path: a PNG.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    tallest = max(map(len, panels.values()))
    size = (6.6 * columns, 0.9 + lines * (0.9 + 0.34 * tallest))
    figure, grid = plt.subplots(lines, columns, figsize=size, layout="constrained", squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (name, rows) in zip(grid.flat, panels.items(), strict=False):
        for place, (label, times) in enumerate(rows.items()):
            middle, cuts = median(times), quantiles(times, n=20, method="inclusive")
            axes.barh(place, middle, 0.7, color=OURS if label.endswith(tuple(ours)) else THEIRS)
            axes.plot([cuts[0], cuts[-1]], [place, place], color="#30343a", linewidth=1)
            axes.text(max(middle, cuts[-1]) * 1.03, place, f"{middle:,.0f}", va="center", fontsize=9)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.invert_yaxis()
        axes.set_title(name, fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.15)
        axes.set_xlabel(unit, fontsize=9)
    figure.suptitle(title, fontweight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
