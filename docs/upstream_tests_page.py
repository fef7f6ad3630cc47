"""The page of the frameworks' own tests: what the last recorded runs of `python -m tests.dry_run_engines.upstream` found."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from tests.dry_run_engines import suites

HEAD = """# The frameworks' own tests

Written by `python -m docs` from the records of `python -m tests.dry_run_engines.upstream FRAMEWORK --record`; do not edit. Tests of the
released frameworks, unchanged, run on `cuda` in the [dry run](dry-run.md) with values, on a machine without a GPU: once with our hooks off
and once with the default choices. *waits* are those of the tests' own code too. Many tests use the CPU only, and wait for nothing.
"""
CAUSES = {
    r"huggingface_hub\.errors|OfflineMode": "needs a model from the network",
    r"No module named": "needs a package that is not installed",
    r"stopped after": "more CPU time in Triton's interpreter than the limit",
    r"Expected 1 compile": "counts compilations: torch.compile leaves code alone under the mode that computes values",
}
"""By what the reason of a failure matches: its cause."""
RANDOM = {
    "tests/schedulers/test_scheduler_dpm_sde.py": "expects a GPU's random numbers; the value is the one that the test expects of a CPU",
    "tests/schedulers/test_scheduler_sasolver.py": "expects a GPU's random numbers; the value is the one that the test expects of a CPU",
}
"""By file: the cause of failures that only compare numbers."""


def page() -> str:
    """Return the page for the current records."""
    return HEAD + "".join(line + "\n" for record in suites.load() for line in _framework(record))


def cause(file: str, why: str) -> str:
    """Return the cause of a failure in words; the reason itself where none is known."""
    known = next((text for pattern, text in CAUSES.items() if re.search(pattern, why)), None)
    return known or RANDOM.get(file) or f"not explained: {why.replace('|', ' ')[:120]}"


def _framework(record: dict[str, Any]) -> Iterator[str]:
    files: dict[str, dict[str, Any]] = record["files"]
    yield f"\n## {record['framework']} {record['release']}\n"
    total = {hooks: Counter[str]() for hooks in suites.HOOKS}
    for part in files.values():
        for hooks in suites.HOOKS:
            total[hooks].update(part[hooks])
    for hooks in suites.HOOKS:
        outcomes = {outcome: total[hooks][outcome] for outcome in suites.OUTCOMES if total[hooks][outcome]}
        parts = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items())
        yield f"* hooks {hooks}: {sum(outcomes.values())} tests, {parts}, {total[hooks]['waits']} waits"
    calls = sum((Counter(part["calls"]) for part in files.values()), Counter())
    yield "* calls of our implementations: " + (", ".join(f"`{hook}` {n}" for hook, n in calls.most_common()) or "none")
    yield "\n| file | passed: off | on | skipped: off | on | failed: off | on | waits: off | on |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    for file, part in files.items():
        cells = [str(_outcome(part[hooks], name)) for name in ("passed", "skipped", "failed", "waits") for hooks in suites.HOOKS]
        yield f"| {file.removeprefix('tests/')} | {' | '.join(cells)} |"
    yield from _failures(files)
    yield from _waits(files)


def _outcome(numbers: dict[str, int], name: str) -> int:
    return numbers["failed"] + numbers[suites.NOT_ENDED] if name == "failed" else numbers[name]


def _failures(files: dict[str, dict[str, Any]]) -> Iterator[str]:
    by_cause: dict[tuple[str, str, str], int] = defaultdict(int)
    for file, part in files.items():
        for why in part["failures"].values():
            hooks = "both" if all(why.values()) else "off" if why["off"] else "on"
            by_cause[cause(file, why["off"] or why["on"]), file, hooks] += 1
    if by_cause:
        yield "\n| why tests failed | file | tests | hooks |\n|---|---|---:|---|"
    for (text, file, hooks), number in sorted(by_cause.items()):
        yield f"| {text} | {file.removeprefix('tests/')} | {number} | {hooks} |"


def _waits(files: dict[str, dict[str, Any]], most: int = 12) -> Iterator[str]:
    tests = [(waits, file, name) for file, part in files.items() for name, waits in part["waits"].items()]
    tests.sort(key=lambda one: (-one[0][0], one[1:]))
    yield f"\n{len(tests)} tests wait; those that wait most:\n"
    yield "| test | waits: off | on |\n|---|---:|---:|"
    for (off, on), file, name in tests[:most]:
        yield f"| {file.removeprefix('tests/')} {name} | {off} | {on} |"
