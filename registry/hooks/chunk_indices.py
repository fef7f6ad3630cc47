"""Contract of ``chunk_indices``: which chunk of which sequence each program of a chunked linear attention works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def chunk_indices(offsets: torch.Tensor, chunk_size: int, counts: torch.Tensor) -> torch.Tensor:
    """List the chunks of a batch of sequences, whose numbers of chunks the host knows.

    Sequences without tokens have no chunk and no number: the rows of the others are numbered from 0 without a gap.

    Args:
        offsets: ``[n + 1]`` int32 or int64 on the device, where each of n sequences starts, and the end of the last one; n > 0.
        chunk_size: tokens of a chunk; the last one of a sequence may have fewer.
        counts: ``[n]`` int32 or int64 on the host, how many chunks each sequence has. It must agree with ``offsets``.

    Returns:
        ``[counts.sum(), 2]`` in the dtype and on the device of ``offsets``: the row of a sequence, and the number of a chunk in it.

    Raises:
        Nothing.

    Mutates:
        Nothing.

    Source:
        vLLM ``model_executor/layers/fla/ops/index.py``, from 0.26 ``third_party/flash_linear_attention/ops/index.py``.
    """
    # The reference: the counts are computed on the device and read back, as in vLLM.
    import torch

    read_back = ((offsets.diff() + chunk_size - 1) // chunk_size).tolist()
    numbers = torch.cat([torch.arange(count) for count in read_back])
    return torch.stack([numbers.eq(0).cumsum(0) - 1, numbers], 1).to(offsets)


def inputs() -> Any:
    """Generate offsets of sequences, empty ones among them, with the counts that belong to them."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        lengths = torch.tensor(draw(st.lists(st.integers(0, 40), min_size=1, max_size=6)))
        chunk_size = draw(st.sampled_from([1, 8, 16]))
        dtype = draw(st.sampled_from([torch.int32, torch.int64]))
        offsets = torch.cat([torch.zeros(1, dtype=lengths.dtype), lengths.cumsum(0)]).to(dtype)
        return {"offsets": offsets, "chunk_size": chunk_size, "counts": -(-lengths // chunk_size)}

    return call()


HOOK = Hook(
    name="chunk_indices",
    spec=chunk_indices,
    reference=chunk_indices,
    inputs=inputs,
    on_host=("counts",),
    tolerance=Tolerance(0.0, 0.0, "indices are listed, nothing is rounded"),
    summary="chunks of gated-delta layers listed from lengths that the host has, instead of read back from the device",
)
