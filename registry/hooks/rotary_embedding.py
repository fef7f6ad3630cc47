"""Contract of ``rotary_embedding``: rotary position embedding, Qwen style: the two halves of a head are rotated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch
    from hypothesis.strategies import SearchStrategy


@hookspec
def rotary_embedding(
    q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotate ``(x1, x2)`` to ``(x1 * cos1 - x2 * sin1, x2 * cos2 + x1 * sin2)`` in every head of ``q`` and ``k``.

    Args:
        q: ``[..., H, D]``, a floating dtype, ``D`` even.
        k: ``[..., G, D]``, the dtype and device of ``q``.
        cos: ``[..., D]``, any floating dtype, broadcast against ``q`` and against ``k``.
        sin: ``[..., D]``, the dtype of ``cos``.

    Returns:
        Two new tensors with the shapes and dtypes of ``q`` and ``k``. The products are formed in the dtype to which the
        arguments promote, and rounded once, to the result's dtype.

    Raises:
        Nothing.

    Mutates:
        Nothing.

    Source:
        SGLang ``runtime/layers/rotary_embedding/mrope.py``; #27041 (0.5.13).
    """
    # The reference: the textbook form, ``x * cos + rotate_half(x) * sin``.
    import torch

    def rotated(x: torch.Tensor) -> torch.Tensor:
        first, second = x.chunk(2, dim=-1)
        return (x * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)

    return rotated(q), rotated(k)


def inputs() -> SearchStrategy[dict[str, Any]]:
    """Generate queries with more heads than keys, tables in the same or in a wider dtype, per batch or shared."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def arguments(draw: st.DrawFn) -> dict[str, Any]:
        dtype = draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
        table = draw(st.sampled_from([dtype, torch.float32]))
        batch, sequence, heads = draw(st.integers(1, 2)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
        width = 2 * draw(st.integers(1, 8))
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

        def random(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator)

        angles = random(draw(st.sampled_from([1, batch])), sequence, 1, width)
        return {
            "q": random(batch, sequence, 2 * heads, width).to(dtype),
            "k": random(batch, sequence, heads, width).to(dtype),
            "cos": angles.cos().to(table),
            "sin": angles.sin().to(table),
        }

    return arguments()


HOOK = Hook(
    name="rotary_embedding",
    spec=rotary_embedding,
    reference=rotary_embedding,
    inputs=inputs,
    tolerance=Tolerance(
        rtol=0.0, atol=0.0, reason="the same products and one rounding; a sign moves from a factor to the sum"
    ),
    summary="rotary position embedding of queries and keys without rotated copies",
)
