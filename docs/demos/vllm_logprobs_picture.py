"""The picture of the vLLM demo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from .vllm_logprobs import HOOK, IDS, RELEASES, REQUESTS

if TYPE_CHECKING:
    from syncfree._ab import Comparison

GREY, BLUE, GREEN = "#8a8f98", "#2a7de1", "#12a150"
FORM = {"0.21.0": "stalls", "0.32.0": "fixed upstream"}


def draw(
    found: Mapping[str, dict[str, Any]],
    syncs: Mapping[str, list[list[int]]],
    times: Mapping[str, Mapping[int, Comparison]],
    path: Path,
) -> None:
    """Draw syncs, host time and its ratio by batch size over what the engines generated and who made it."""
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = plt.figure(figsize=(12.5, 7.8), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.1, 1))
    left, middle, right = above.subplots(1, 3)
    _syncs(left, syncs)
    _times(middle, times)
    _ratios(right, times)
    tokens, calls = below.subplots(1, 2, width_ratios=(1.7, 1))
    _tokens(tokens, found)
    _calls(calls, found)
    figure.suptitle(
        "vLLM: the logprobs of chosen tokens, the same to the last bit, without a stall per request",
        fontsize=14,
        fontweight="bold",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _by_requests(axes: Any, title: str, label: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xscale("log", base=2)
    axes.set_xticks(REQUESTS, [str(requests) for requests in REQUESTS])
    axes.minorticks_off()
    axes.set_xlabel(f"requests that ask for {IDS} token ids")
    axes.set_ylabel(label)


def _syncs(axes: Any, syncs: Mapping[str, list[list[int]]]) -> None:
    _by_requests(axes, "host syncs in one call (simulated GPU)", "syncs")
    axes.plot(REQUESTS, [theirs for theirs, _ in syncs["0.21.0"]], "s-", color=GREY, label="upstream 0.21.0")
    axes.plot(
        REQUESTS, [theirs for theirs, _ in syncs["0.32.0"]], "o", color=GREY, mfc="none", ms=11, label="upstream 0.32.0"
    )
    for release, marker in zip(RELEASES, ("x", "+"), strict=True):
        ours = [ours for _, ours in syncs[release]]
        axes.plot(REQUESTS, ours, marker, color=BLUE, ms=8, mew=1.8, clip_on=False, label=f"sync_free in {release}")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper left", fontsize=9)


def _times(axes: Any, times: Mapping[str, Mapping[int, Comparison]]) -> None:
    _by_requests(axes, "host time of one call (this CPU)", "microseconds")
    for release, style in zip(RELEASES, ("-", "--"), strict=True):
        upstream = [median(times[release][requests].seconds_a) * 1e6 for requests in REQUESTS]
        ours = [median(times[release][requests].seconds_b) * 1e6 for requests in REQUESTS]
        axes.plot(REQUESTS, upstream, f"s{style}", color=GREY, ms=4, label=f"upstream {release}")
        axes.plot(REQUESTS, ours, f"o{style}", color=BLUE, ms=4, label=f"sync_free in {release}")
    axes.set_yscale("log")
    axes.legend(frameon=False, loc="upper left", fontsize=9)


def _ratios(axes: Any, times: Mapping[str, Mapping[int, Comparison]]) -> None:
    _by_requests(axes, "time of upstream / time of sync_free", "ratio, with its 95 % interval")
    for release, color, shift in zip(RELEASES, (BLUE, GREEN), (0.94, 1.06), strict=True):
        results = [times[release][requests] for requests in REQUESTS]
        ratios = [result.ratio for result in results]
        errors = (
            [result.ratio - result.low for result in results],
            [result.high - result.ratio for result in results],
        )
        places = [requests * shift for requests in REQUESTS]
        axes.errorbar(places, ratios, errors, fmt="o-", ms=4, capsize=2, color=color, label=f"{release} ({FORM[release]})")
    axes.axhline(1, color=GREY, linewidth=1)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper left", fontsize=9)


def _tokens(axes: Any, found: Mapping[str, dict[str, Any]]) -> None:
    """One row per engine and choice: the tokens of the first request, shaded by the logprob of a token asked for."""
    axes.set_title("tokens of the first request, shaded by the logprob of token 300; compared: all requests", fontsize=11)
    rows, labels, references = [], [], {}
    for title, told in found.items():
        for choice, generated in told["generated"].items():
            reference = references.setdefault(title.split(",")[0], generated)
            same = "reference" if generated is reference else ("equal" if generated == reference else "DIFFERENT")
            labels.append(f"{title.split(',')[0]}: {choice if choice != 'as started' else 'SYNCFREE=off'}  ({same})")
            first = generated[0]
            shades = [next(p for token, p, _ in step if token == 300) for step in first["logprobs"]]
            rows.append((first["tokens"], shades))
    darkest, lightest = max(rows[0][1]), min(rows[0][1])
    axes.imshow([shades for _, shades in rows], aspect="auto", cmap="Blues", vmax=darkest + 0.3)
    for y, (tokens, _) in enumerate(rows):
        for x, token in enumerate(tokens):
            dark = rows[y][1][x] > (darkest + lightest) / 2
            axes.text(x, y, str(token), ha="center", va="center", fontsize=9, color="white" if dark else "black")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xticks(range(len(rows[0][0])), [f"step {n + 1}" for n in range(len(rows[0][0]))])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _calls(axes: Any, found: Mapping[str, dict[str, Any]]) -> None:
    axes.set_title("calls: sync_free + upstream", fontsize=11)
    names, ours, theirs = [], [], []
    for title, told in found.items():
        for report in told["workers"]:
            entries = report["plan"]["bindings"]
            counts = next(iter(run_binding(entries)["counts"].values())) if entries else {}
            names.append(title.replace(", ", ",\n"))
            ours.append(counts.get("sync_free", {}).get("calls", 0))
            theirs.append(counts.get("upstream", {}).get("calls", 0))
    y = range(len(names))
    axes.barh(y, ours, 0.55, color=BLUE)
    axes.barh(y, theirs, 0.55, left=ours, color=GREY)
    for place, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        text = f"  {a} + {b}" if a or b else "  nothing bound, nothing counted"
        axes.text(a + b, place, text, va="center", fontsize=9)
    axes.set_yticks(y, names)
    axes.invert_yaxis()
    axes.set_xlim(0, max(a + b for a, b in zip(ours, theirs, strict=True)) * 1.7)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def run_binding(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return next(entry for entry in entries if entry["hook"] == HOOK)
