"""The rule table: which operation makes the host wait, why, and what gives the same value without waiting.

``docs/sync-rules.md`` is generated from it, error messages quote it, and the calibration program runs every
row that has a case of the same ``name``.
"""

from __future__ import annotations

import re

from .._events import Kind
from ._copies import COPIES
from ._free import FREE
from ._reads import READS
from ._rule import Rule
from ._sizes import SIZES

__all__ = ["RULES", "Rule", "find", "named", "replacement"]

RULES: tuple[Rule, ...] = (*READS, *COPIES, *SIZES, *FREE)
"""In the order of the page; `find` takes the first row that explains an event."""


def find(kind: Kind, op: str, *, hard: bool, source: str) -> Rule:
    """Return the first row that explains an event; every kind has one that matches any operator.

    Args:
        source: the line of user code, to distinguish ``torch.tensor([...])`` from ``.to("cuda")``; may be empty.
    """
    if kind is Kind.STAGED:
        return _BY_NAME["download-pageable-non-blocking" if hard else "upload-pageable-non-blocking"]
    return next(
        rule
        for rule in RULES
        if kind in rule.kinds and (not rule.ops or op in rule.ops) and (not rule.source or re.search(rule.source, source))
    )


def replacement(kind: Kind, op: str, *, hard: bool, source: str = "") -> str:
    """Return how to get the same value without this wait."""
    return find(kind, op, hard=hard, source=source).replacement


def named(name: str) -> Rule:
    """Return the row of a name."""
    return _BY_NAME[name]


_BY_NAME = {rule.name: rule for rule in RULES}
