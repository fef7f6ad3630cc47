"""Contract of ``qk_norm``: two RMS norms before attention, in one launch where the framework has such a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch
    from hypothesis.strategies import SearchStrategy


@hookspec
def qk_norm(
    q: torch.Tensor,
    k: torch.Tensor,
    q_weight: torch.Tensor,
    k_weight: torch.Tensor,
    eps: float,
    fused: Callable[..., tuple[torch.Tensor, torch.Tensor]] | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give every head ``x`` of ``q`` and of ``k`` the form ``x / sqrt(mean(x * x) + eps) * weight``.

    Args:
        q: ``[..., H, D]``, a floating dtype.
        k: ``[..., G, D]``, the dtype and device of ``q``.
        q_weight: ``[D]``, the dtype and device of ``q``.
        k_weight: ``[D]``, the dtype and device of ``q``.
        eps: added to the mean of the squares.
        fused: the framework's own ``(q, k, q_weight, k_weight, eps) -> (q, k)`` in one launch, for contiguous tensors; None
            where it has none.

    Returns:
        Two tensors with the shapes and dtypes of ``q`` and ``k``; with ``fused`` they may be ``q`` and ``k`` themselves.

    Raises:
        Exception: whatever ``fused`` raises.

    Mutates:
        ``q`` and ``k`` where ``fused`` overwrites them; otherwise nothing.

    Source:
        SGLang ``runtime/models/dits/cosmos3video.py``; #27041 (0.5.13).
    """
    # The reference: one norm after the other, as in Cosmos3's cross attention before #27041.
    from torch.nn.functional import rms_norm

    return rms_norm(q, q_weight.shape, q_weight, eps), rms_norm(k, k_weight.shape, k_weight, eps)


def inputs() -> SearchStrategy[dict[str, Any]]:
    """Generate more queries than keys, slices of a packed projection, with and without a kernel that takes both."""
    import torch
    from hypothesis import strategies as st

    def in_place(
        q: torch.Tensor, k: torch.Tensor, q_weight: torch.Tensor, k_weight: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not (q.is_contiguous() and k.is_contiguous()):
            raise ValueError("the kernel takes contiguous tensors only")
        normalized = qk_norm(q, k, q_weight, k_weight, eps, None)
        return q.copy_(normalized[0]), k.copy_(normalized[1])

    @st.composite
    def arguments(draw: st.DrawFn) -> dict[str, Any]:
        dtype = draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
        batch, sequence, heads = draw(st.integers(1, 2)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
        width = draw(st.integers(1, 16))
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
        packed = torch.randn(batch, sequence, 3 * heads, width, generator=generator).to(dtype)
        q, k = packed[:, :, : 2 * heads], packed[:, :, 2 * heads :]
        if draw(st.booleans()):
            q, k = q.contiguous(), k.contiguous()
        q_weight, k_weight = torch.randn(2, width, generator=generator).to(dtype)
        eps = draw(st.sampled_from([1e-6, 1e-5]))
        fused = draw(st.sampled_from([None, in_place]))
        return {"q": q, "k": k, "q_weight": q_weight, "k_weight": k_weight, "eps": eps, "fused": fused}

    return arguments()


HOOK = Hook(
    name="qk_norm",
    spec=qk_norm,
    reference=qk_norm,
    inputs=inputs,
    tolerance=Tolerance(
        rtol=0.0, atol=0.0, reason="the same norms; a framework's kernel may round otherwise, and is its own"
    ),
    summary="normalization of queries and keys in one launch where the framework has one",
    pure=False,
)
