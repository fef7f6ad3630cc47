"""Contract of ``sampling_parameters``: numbers of a batch of requests, put on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def sampling_parameters(values: Sequence[float], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Put numbers that the host has on the device, in stream order.

    Args:
        values: n Python numbers (int, float or bool), such as one temperature per request; n may be 0.
        dtype: the dtype of the result.
        device: where the numbers are needed.

    Returns:
        ``[n]`` in ``dtype`` on ``device``, with storage of its own: the framework changes its shape in place.

    Raises:
        RuntimeError: a number that ``dtype`` cannot hold (``OverflowError``, ``TypeError`` where torch raises these).

    Mutates:
        Nothing.

    Source:
        SGLang ``srt/sampling/sampling_batch_info.py`` and ``srt/sampling/penaltylib``: one blocking upload per parameter of a new
        batch up to 0.5.13, and per penalty, and one store per logit bias, up to 0.5.20.
    """
    # The reference: one blocking upload, as in SGLang 0.5.9.
    import torch

    return torch.tensor(values, dtype=dtype, device=device)


def inputs() -> Any:
    """Generate numbers that each dtype can hold; the device is the CPU."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        dtype = draw(st.sampled_from((torch.float32, torch.int32, torch.int64)))
        largest = 2**31 - 1 if dtype is torch.int32 else 2**63 - 1
        whole = st.integers(-largest, largest) | st.booleans()
        number = whole | st.floats(width=32) if dtype is torch.float32 else whole
        return {"values": draw(st.lists(number, max_size=8)), "dtype": dtype, "device": torch.device("cpu")}

    return call()


HOOK = Hook(
    name="sampling_parameters",
    spec=sampling_parameters,
    reference=sampling_parameters,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "numbers are copied, not computed"),
    summary="sampling parameters, penalties and logit biases of a new batch, uploaded from pinned memory",
)
