"""``conv_metadata`` found by the identity of the offsets, without reading them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import torch

T = TypeVar("T")


def conv_metadata(offsets: torch.Tensor, known: Iterable[tuple[torch.Tensor, T]]) -> T:
    """See the contract. Equal offsets in another tensor are declined, because only reading them would tell."""
    for made_for, metadata in known:
        if made_for is offsets:
            return metadata
    return NotImplemented  # type: ignore[no-any-return]
