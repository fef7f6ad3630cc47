"""Contract of ``sampler_staged_writes``: sampling parameters that changed on the host reach the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .._hook import Hook, Tolerance, hookspec


@hookspec
def sampler_staged_writes(changed: bool, write: Callable[[], None], always: Sequence[Callable[[], None]]) -> None:
    """Bring the state of a sampler up to date before a step.

    An implementation must not decline after it called anything.

    Args:
        changed: whether a request was added since the last write; without it the device has what the host has.
        write: copies everything, and does what ``always`` does besides.
        always: what has to run in every step even when nothing changed, in this order, such as processors that are not
            the framework's own and may stage writes of their own accord.

    Returns:
        None.

    Raises:
        Exception: whatever ``write`` and ``always`` raise.

    Mutates:
        What ``write`` and ``always`` change.

    Source:
        vLLM ``v1/worker/gpu/sample/sampler.py``, in every release that was read from 0.20.2 on.
    """
    # The reference: everything is copied in every step, as in vLLM.
    write()


def inputs() -> Any:
    """Generate samplers whose host and device state agree unless ``changed``; what they hold afterwards is in ``write.__self__``."""
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        device = draw(st.lists(st.integers(), max_size=4))
        host = draw(st.lists(st.integers(), max_size=4))
        changed = draw(st.booleans())
        sampler = _Sampler(host if changed else list(device), device, draw(st.integers(0, 3)))
        return {"changed": changed, "write": sampler.write, "always": sampler.processors()}

    return call()


class _Sampler:
    """Host state, device state, and how often each processor of the user's own was called."""

    def __init__(self, host: list[int], device: list[int], processors: int) -> None:
        self.host, self.device, self.called = host, device, [0] * processors

    def write(self) -> None:
        self.device = list(self.host)
        for processor in self.processors():
            processor()

    def processors(self) -> list[Callable[[], None]]:
        return [partial(self.call, index) for index in range(len(self.called))]

    def call(self, processor: int) -> None:
        self.called[processor] += 1


HOOK = Hook(
    name="sampler_staged_writes",
    spec=sampler_staged_writes,
    reference=sampler_staged_writes,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "values are copied, not computed"),
    summary="sampling parameters are copied in steps that add a request only",
    pure=False,
    writes=("write",),
)
