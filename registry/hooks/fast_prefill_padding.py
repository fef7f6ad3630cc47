"""Contract of ``fast_prefill_padding``: indices of a step in a buffer whose size is fixed by a captured graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def fast_prefill_padding(buffer: torch.Tensor, indices: torch.Tensor) -> None:
    """Write indices to the front of a buffer and repeat the last one up to its end.

    Args:
        buffer: ``[N]`` integer, changed in place.
        indices: ``[n]`` of the same kind on the same device, 1 <= n <= N; not changed.
    """
    raise NotImplementedError


def reference(buffer: torch.Tensor, indices: torch.Tensor) -> None:
    """Read the last index on the host and fill with it, as vLLM 0.21.0 did."""
    count = indices.shape[0]
    buffer[:count].copy_(indices)
    buffer[count:].fill_(indices[-1].item())


def inputs() -> Any:
    """Buffers with room to spare and without."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        indices = draw(st.lists(st.integers(0, 99), min_size=1, max_size=8))
        old = draw(st.lists(st.integers(100, 199), min_size=len(indices), max_size=16))
        return {
            "buffer": torch.tensor(old, dtype=torch.int32),
            "indices": torch.tensor(indices, dtype=draw(st.sampled_from([torch.int32, torch.int64]))),
        }

    return call()


HOOK = Hook(
    name="fast_prefill_padding",
    spec=fast_prefill_padding,
    reference=reference,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "integers are copied, not computed"),
    summary="padding of a step's logits indices without reading the last one",
    pure=False,
    writes=("buffer",),
)
