"""Contract of ``conv_metadata``: the launch metadata of a causal convolution that the host made once for a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


@hookspec
def conv_metadata(offsets: torch.Tensor, known: Iterable[tuple[torch.Tensor, T]]) -> T:
    """Find what belongs to a batch of sequences among what was prepared for this step.

    Declines when nothing was prepared for it.

    Args:
        offsets: ``[n + 1]`` int32 on the device, where each of n sequences starts.
        known: offsets ``[m + 1]`` int32 that metadata was made for, and that metadata; an object of the framework's own, passed
            on as it is.

    Returns:
        The metadata of the first entry whose offsets are these.

    Raises:
        Nothing.

    Mutates:
        Nothing.

    Source:
        vLLM ``model_executor/layers/mamba/mamba_mixer.py`` and ``ops/causal_conv1d.py`` beside it; #41429 (0.22.0).
    """
    # The reference: values are compared, which are read back for it.
    for made_for, metadata in known:
        if made_for.tolist() == offsets.tolist():
            return metadata
    return NotImplemented  # type: ignore[no-any-return]


def inputs() -> Any:
    """Generate one of several prepared batches, or another one."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        lengths = draw(
            st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), unique_by=tuple, min_size=1, max_size=4)
        )
        offsets = [torch.tensor([0, *of_one], dtype=torch.int32).cumsum(0, dtype=torch.int32) for of_one in lengths]
        wanted = draw(st.integers(0, len(offsets) - 1))
        prepared = draw(st.sets(st.integers(0, len(offsets) - 1)))
        return {"offsets": offsets[wanted], "known": [(offsets[i], f"metadata {i}") for i in sorted(prepared)]}

    return call()


HOOK = Hook(
    name="conv_metadata",
    spec=conv_metadata,
    reference=conv_metadata,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "an object is found, nothing is computed"),
    summary="launch metadata of Mamba's convolution, made once per step instead of in every layer",
)
