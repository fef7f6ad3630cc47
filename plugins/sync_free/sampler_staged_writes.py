"""``sampler_staged_writes`` that copies nothing when nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def sampler_staged_writes(changed: bool, write: Callable[[], None], always: Sequence[Callable[[], None]]) -> None:
    """See the contract."""
    if changed:
        write()
    else:
        for step in always:
            step()
