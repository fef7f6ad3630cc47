"""Contract of ``vae_decode``: how the chunks of a video that is decoded one by one become one clip."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch
    from hypothesis.strategies import SearchStrategy


@hookspec
def vae_decode(
    decode_chunk: Callable[[int], torch.Tensor],
    chunks: int,
    finish: Callable[[torch.Tensor], torch.Tensor] | None,
) -> torch.Tensor:
    """Decode a clip's chunks in order, put them together along time, and clamp the result.

    It may decline before the first chunk.

    Args:
        decode_chunk: decodes chunk ``i`` and returns a new tensor ``[B, C, t_i, H, W]`` of a floating dtype that nobody else
            holds. A causal decoder keeps state between chunks, so it is called once for each of 0 to ``chunks - 1``, in order.
        chunks: how many, at least 1.
        finish: applied to the whole clip ``[B, C, sum(t_i), H, W]`` before it is clamped, or None. It may return a view of its
            argument.

    Returns:
        ``[B, C, sum(t_i), H, W]`` (after ``finish``) in float32, clamped to [-1, 1]; it may share memory with what the
        functions returned.

    Raises:
        Exception: whatever ``decode_chunk`` and ``finish`` raise.

    Mutates:
        What ``decode_chunk`` and ``finish`` return.

    Source:
        SGLang ``runtime/models/vaes/wanvae.py``; #27041 (0.5.13).
    """
    # The reference: SGLang's way to 0.5.12: the clip is copied again for every chunk, and once more to clamp it.
    import torch

    clip = decode_chunk(0)
    for index in range(1, chunks):
        clip = torch.cat([clip, decode_chunk(index)], 2)
    if finish is not None:
        clip = finish(clip)
    return torch.clamp(clip.float(), min=-1.0, max=1.0)


def inputs() -> SearchStrategy[dict[str, Any]]:
    """Generate one to five chunks of one to four frames in three dtypes, with and without a last step."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def arguments(draw: st.DrawFn) -> dict[str, Any]:
        dtype = draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
        frames = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
        batch, height = draw(st.integers(1, 2)), draw(st.integers(1, 3))
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
        decoded = [(torch.randn(batch, 4, t, height, 2, generator=generator) * 2).to(dtype) for t in frames]

        def finish(clip: torch.Tensor) -> torch.Tensor:
            finished: torch.Tensor = clip.unflatten(1, (2, 2)).movedim(2, -1).flatten(-2)
            return finished

        return {
            "decode_chunk": lambda index: decoded[index].clone(),
            "chunks": len(frames),
            "finish": draw(st.sampled_from([None, finish])),
        }

    return arguments()


HOOK = Hook(
    name="vae_decode",
    spec=vae_decode,
    reference=vae_decode,
    inputs=inputs,
    tolerance=Tolerance(rtol=0.0, atol=0.0, reason="values are moved and clamped, nothing is rounded"),
    summary="the decoded chunks of a video put together once, not once per chunk",
    pure=False,
)
