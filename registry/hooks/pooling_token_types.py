"""Contract of ``pooling_token_types``: which tokens of a batch of text pairs belong to the second text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def pooling_token_types(lengths: Sequence[int], second: Mapping[int, tuple[int, int]], device: torch.device) -> torch.Tensor:
    """Lay out the token types of all requests, one after the other.

    Args:
        lengths: tokens of each request, known on the host.
        second: request to the half-open range of its token positions that have type 1; a range may reach past the end. All
            other tokens, and those of requests that are left out, have type 0.
        device: where the result is wanted.

    Returns:
        ``[sum(lengths)]`` int32 on ``device``.

    Raises:
        Nothing.

    Mutates:
        Nothing.

    Source:
        vLLM ``v1/worker/gpu_model_runner.py``; #41429 (0.22.0).
    """
    # The reference: positions are compared request by request, joined and uploaded, as in vLLM 0.21.0.
    import torch

    types = []
    for request, length in enumerate(lengths):
        start, end = second.get(request, (length, length))
        positions = torch.arange(length)
        types.append(((positions >= start) & (positions < end)).int())
    return torch.concat(types).to(device=device)


def inputs() -> Any:
    """Generate batches with and without second texts."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        lengths = draw(st.lists(st.integers(1, 20), min_size=1, max_size=6))
        position = st.integers(0, 22)
        second = draw(st.dictionaries(st.integers(0, len(lengths) - 1), st.tuples(position, position)))
        return {"lengths": lengths, "second": second, "device": torch.device("cpu")}

    return call()


HOOK = Hook(
    name="pooling_token_types",
    spec=pooling_token_types,
    reference=pooling_token_types,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "integers are placed, not computed"),
    summary="token types of a batch of text pairs, laid out on the host and uploaded once",
)
