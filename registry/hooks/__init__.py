"""The catalogue of hooks: one module per contract, each with its reference, input strategy and tolerance."""

from __future__ import annotations

from .._hook import Hook
from . import (
    dp_all_reduce,
    progress_reporting,
    sampler_logprob_gather,
    scheduler_step,
    sequence_parallel_all_to_all,
)

HOOKS: dict[str, Hook] = {
    module.HOOK.name: module.HOOK
    for module in (
        scheduler_step,
        sequence_parallel_all_to_all,
        sampler_logprob_gather,
        dp_all_reduce,
        progress_reporting,
    )
}
"""Every hook by name."""
