"""The masks of custom logit processors, followed on the host where requests leave a batch and where two batches are joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compose_filter(_: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """``_filter_batch_custom_logit_processor``: upstream asks the device which processors are left."""
    from ._rows import ROWS, can_follow

    def _filter_batch_custom_logit_processor(self: Any, keep_indices: Any, keep_indices_device: Any) -> Any:
        found = self.custom_logit_processor
        if not can_follow(mask for _, mask in found.values()):
            return NotImplemented
        left = {}
        for key, (processor, mask) in found.items():
            before = frozenset(ROWS.read(mask))
            rows = [row for row, index in enumerate(keep_indices) if index in before]
            if rows:
                left[key] = (processor, mask[keep_indices_device])
                ROWS.remember(left[key][1], rows)
        self.custom_params = [self.custom_params[index] for index in keep_indices] if left else None
        self.custom_logit_processor = left or None
        self.has_custom_logit_processor = self.has_custom_logit_processor and bool(left)
        return None

    return _filter_batch_custom_logit_processor


def compose_merge(_: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """``merge_custom_logit_processor``: upstream's own code, with the rows of the joined masks taken down."""
    from ._rows import ROWS

    def rows_in(batch: Any, key: Any) -> list[int] | None:
        return ROWS.known(batch[key][1]) if batch and key in batch else []

    def merge_custom_logit_processor(lhs: Any, rhs: Any, bs1: Any, bs2: Any, device: Any) -> Any:
        merged = upstream(lhs, rhs, bs1, bs2, device)
        for key, (_, mask) in (merged or {}).items():
            left, right = rows_in(lhs, key), rows_in(rhs, key)
            if left is not None and right is not None:
                ROWS.remember(mask, [*left, *(bs1 + row for row in right)])
        return merged

    return merge_custom_logit_processor
