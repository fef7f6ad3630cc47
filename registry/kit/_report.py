"""The report of a run: one row per hook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ._items import WIDTH


def lines_of(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield one line per hook, with its failed checks, and one per skipped check, each with the reason."""
    hooks: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        hooks.setdefault(record["hook"], []).append(record)
    for hook, found in hooks.items():
        failed = [record["check"] for record in found if record["outcome"] == "failed"]
        passed = sum(record["outcome"] == "passed" for record in found)
        said = f"{hook}: {passed} of {len(found)} checks passed"
        yield f"{said}; failed: {', '.join(failed)}" if failed else said
        for record in found:
            if record["outcome"] == "skipped":
                yield f"  {record['check']}: {record['problem']}"[:WIDTH]
    if not hooks:
        yield "no check ran"
