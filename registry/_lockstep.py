"""Agreement between ranks before a lockstep hook switches."""

from __future__ import annotations

import sys
from collections.abc import Mapping


def rank_count() -> int:
    """The size of the job's default process group; 1 without one. Does not import torch."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return 1
    return int(distributed.get_world_size())


def agree(choices: Mapping[str, str], problems: list[str]) -> list[str]:
    """Compare choices over the default process group; every rank must call it. Return the disagreements, on every rank.

    A rank that cannot switch says so, and then no rank switches.
    """
    import torch.distributed as dist

    said: list[tuple[dict[str, str], bool]] = [({}, False)] * dist.get_world_size()
    dist.all_gather_object(said, (dict(choices), bool(problems)))
    found = [f"rank {rank} cannot switch" for rank, (_, failed) in enumerate(said) if failed and rank != dist.get_rank()]
    if len({tuple(sorted(chosen.items())) for chosen, _ in said}) > 1:
        found.append("the ranks chose differently: " + ", ".join(f"rank {r}: {c}" for r, (c, _) in enumerate(said)))
    return found
