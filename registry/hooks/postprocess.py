"""Contract of ``postprocess``: from the decoder's range to the picture's, [-1, 1] to [0, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch
    from hypothesis.strategies import SearchStrategy


@hookspec
def postprocess(decoded: torch.Tensor) -> torch.Tensor:
    """Return ``clamp(decoded * 0.5 + 0.5, 0, 1)`` in float32.

    The product and the sum are each rounded to the dtype of ``decoded``, as two operators round them.

    Args:
        decoded: ``[...]`` of any shape, a floating dtype. The caller gives it up.

    Returns:
        float32 of the shape of ``decoded``; it may be the same tensor.

    Raises:
        Nothing.

    Mutates:
        ``decoded``, which may hold anything afterwards.

    Source:
        SGLang ``runtime/pipelines_core/stages/model_specific_stages/cosmos3.py``; #27041 (0.5.13).
    """
    # The reference: one temporary per operator.
    scaled = decoded * 0.5
    return (scaled + 0.5).clamp(0, 1).float()


def inputs() -> SearchStrategy[dict[str, Any]]:
    """Generate frames in three dtypes, inside and outside of the range."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def arguments(draw: st.DrawFn) -> dict[str, Any]:
        dtype = draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
        shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
        return {"decoded": (torch.randn(shape, generator=generator) * 1.5).to(dtype)}

    return arguments()


HOOK = Hook(
    name="postprocess",
    spec=postprocess,
    reference=postprocess,
    inputs=inputs,
    tolerance=Tolerance(rtol=0.0, atol=0.0, reason="the same operators in the same order, in place"),
    summary="decoded frames scaled to [0, 1] in place",
    pure=False,
)
