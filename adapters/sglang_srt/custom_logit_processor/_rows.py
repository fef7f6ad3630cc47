"""The host's knowledge of the masks of the requests that use a custom logit processor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch.utils.weak import WeakTensorKeyDictionary


class RowsOfMasks:
    """Rows that boolean masks ``[B]`` on the device select, as lists of integers on the host.

    SGLang makes a new mask whenever the batch changes and never writes to one; a mask that other code wrote to is read again.
    """

    def __init__(self) -> None:
        self._known: Any = WeakTensorKeyDictionary()

    def remember(self, mask: Any, rows: list[int]) -> None:
        """Take down the rows of a mask, until the mask is gone."""
        if not mask.is_inference():  # such a tensor cannot tell that it was written to
            self._known[mask] = (mask._version, rows)

    def known(self, mask: Any) -> list[int] | None:
        """Return the rows of a mask that were taken down, None if none were or the mask was written to since."""
        version, rows = self._known.get(mask, (None, None))
        return rows if rows is not None and version == mask._version else None

    def read(self, mask: Any) -> list[int]:
        """Return the rows of a mask; the host waits for a mask that is not known."""
        rows = self.known(mask)
        if rows is None:
            rows = [row for row, selected in enumerate(mask.tolist()) if selected]
            self.remember(mask, rows)
        return rows


def can_follow(masks: Iterable[Any]) -> bool:
    """Return whether all masks are on a CUDA device and can be recognized."""
    return all(mask.is_cuda and not mask.is_inference() for mask in masks)


ROWS = RowsOfMasks()
"""Of this process."""
