"""The page with the table of counts."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

_HEAD = """# Host syncs of released code, upstream and with our hooks

Written by `python -m tests.audit_counts`, compared by `make audit`; counted
on the simulated device, not on a GPU. *per step* is the median step and,
where the first step differs, that one too; *all steps* is their sum; *schedule* is what `set_timesteps` costs once per request, in a
process that has made the same schedule before: the first time KDPM2 and ScoreSdeVe wait once more with ours. Ours
is the default choice of `syncfree.load()`: implementations that are exact, where the release stalls. diffusers' schedulers
find the first timestep themselves here, as they do when a pipeline does not call `set_begin_index`; SGLang's denoising stage
does call it. vLLM's functions are called for four requests. A release of vLLM before 0.32 is a hybrid: that release's Python
with the C extensions of a later one.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One class or function, counted twice."""

    name: str
    upstream: dict[str, Any]
    ours: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """One release."""

    framework: str
    release: str
    rows: list[Row]


def render(sections: list[Section]) -> str:
    """The page in Markdown."""
    return "\n".join([_HEAD, *(_section(section) for section in sections)])


def _section(section: Section) -> str:
    lines = [
        f"## {section.framework} {section.release}",
        "",
        "| | per step: upstream | ours | all steps: upstream | ours | schedule: upstream | ours |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_line(row) for row in section.rows if not row.upstream["error"]]
    failed = [row for row in section.rows if row.upstream["error"]]
    if failed:
        lines += ["", "Not counted:", ""]
        lines += [f"* {row.name}: {row.upstream['error']}" for row in failed]
    return "\n".join([*lines, ""])


def _line(row: Row) -> str:
    upstream, ours = row.upstream, row.ours
    if ours["error"]:
        return f"| {row.name} | {_per_step(upstream)} | fails: {ours['error']} | {sum(upstream['steps'])} | | | |"
    return (
        f"| {row.name} | {_per_step(upstream)} | {_per_step(ours)} | {sum(upstream['steps'])} | {sum(ours['steps'])} "
        f"| {upstream['prepare']} | {ours['prepare']} |"
    )


def _per_step(count: dict[str, Any]) -> str:
    steps = count["steps"]
    usual = round(median(steps))
    return f"{usual}" if steps[0] == usual else f"{usual} (first {steps[0]})"
