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
        buffer: ``[N]`` integers.
        indices: ``[n]`` integers on the same device, 1 <= n <= N.

    Returns:
        None.

    Raises:
        Nothing.

    Mutates:
        ``buffer``, in place.

    Source:
        vLLM ``v1/worker/gpu_model_runner.py``; #41429 (0.22.0).
    """
    # The reference: the last index is read on the host, as in vLLM 0.21.0.
    count = indices.shape[0]
    buffer[:count].copy_(indices)
    buffer[count:].fill_(indices[-1].item())


def inputs() -> Any:
    """Generate buffers with room to spare and without."""
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
    reference=fast_prefill_padding,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "integers are copied, not computed"),
    summary="padding of a step's logits indices without reading the last one",
    pure=False,
    writes=("buffer",),
)
