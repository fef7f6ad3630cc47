"""The progress bar of diffusers' pipelines."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from syncfree.adapting import Binding, Form
from syncfree.ranks import rank_in_job


def _compose(report: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """To 0.36.0. A bar that the user configured as shown or hidden is upstream's, as it is from 0.37.0."""
    from torch import compiler

    module = inspect.unwrap(upstream).__globals__

    def progress_bar(self: Any, iterable: Iterable[Any] | None = None, total: int | None = None) -> Any:
        options = getattr(self, "_progress_bar_config", {})
        if not isinstance(options, dict) or "disable" in options or (iterable is None and total is None):
            return NotImplemented
        return report(iterable, total if iterable is None else None, rank_in_job(), module["tqdm"], options)

    untraced: Callable[..., Any] = compiler.disable(progress_bar)
    return untraced


BINDING = Binding(
    hook="progress_reporting",
    targets=("diffusers.pipelines.pipeline_utils:DiffusionPipeline.progress_bar",),
    forms=(
        Form(">=0.35.0,<0.37", "repeats work", "one bar per process", (_compose,)),
        Form(">=0.37.0", "upstreamed", "hidden off rank 0 by diffusers itself", None),
    ),
)
