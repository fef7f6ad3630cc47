"""`progress_reporting` with one bar per job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from syncfree.hooks.progress_reporting import Bar


def progress_reporting(
    iterable: Iterable[Any] | None, total: int | None, rank: int | None, bar: Bar, options: Mapping[str, Any]
) -> Any:
    """Disable the bar of every rank but the job's first.

    Without a process group the process is its own first rank.

    Source: SGLang #27041.
    """
    if rank:
        options = {**options, "disable": True}
    return bar(iterable=iterable, total=total, **options)
