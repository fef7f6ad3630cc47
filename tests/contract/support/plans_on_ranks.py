"""The work of a rank of `gloo_ranks` in the tests of plans that are compared between ranks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch.distributed as dist

from syncfree import SelectionError
from syncfree._lockstep import compare_plans
from syncfree._plan import Entry, Plan
from syncfree._process_group import publish

REDUCE = "acme.work:reduce"
"""The target of a hook in lockstep."""

GATHER = "acme.work:gather"


def compared(choices: list[dict[str, str]], seconds: float = 60, releases: Sequence[str] = ()) -> tuple[str, list[str]]:
    """The error and the warnings of this rank; its plan has ``choices[rank]`` by target. A rank without any says nothing."""
    release = releases[dist.get_rank()] if releases else "1.0"
    mine = choices[dist.get_rank()]
    if not mine:
        return "", []
    entries = tuple(
        Entry(
            "dp_all_reduce", "acme", release, (target,), "stalls", "", choice, "default", "bound", target == REDUCE, "", {}
        )
        for target, choice in mine.items()
    )
    heard = Heard()
    try:
        compare_plans(Plan(1, True, ("acme",), entries, ()), heard.logger, seconds)
    except SelectionError as error:
        return str(error), heard.warnings
    return "", heard.warnings


def answers(rounds: int) -> list[list[int]]:
    """Tell a rank's number, one rank after another; what each round could read."""
    seen = []
    for number in range(rounds):
        for rank in range(dist.get_world_size()):
            if rank == dist.get_rank():
                seen.append(sorted(said["number"] - 100 * number for said in publish("test", told(number)).read().values()))
            dist.barrier()
    return seen


def told(number: int) -> dict[str, Any]:
    return {"number": 100 * number + dist.get_rank()}


class Heard(logging.Handler):
    """Keeps the warnings of a logger of its own."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warnings: list[str] = []
        self.logger = logging.Logger("ranks")
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.warnings.append(record.getMessage())
