"""diffusers ``LTXEulerAncestralRFScheduler.step``: its test whether the next sigma is 0.

``if sigma_next.abs().item() < 1e-8`` reads a device sigma in each step. While upstream's step runs, ``self.sigmas`` hands out sigmas
that answer ``abs()`` from the host; everything else that the step does with a sigma is done with the device's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class _Sigma:
    """One sigma, with the operations that upstream's step uses."""

    def __init__(self, there: torch.Tensor, here: torch.Tensor) -> None:
        self._there = there
        self._here = here

    def abs(self) -> torch.Tensor:
        return self._here.abs()

    def view(self, *shape: int) -> torch.Tensor:
        return self._there.view(*shape)

    def __truediv__(self, other: _Sigma) -> torch.Tensor:
        return self._there / other._there

    def __mul__(self, other: torch.Tensor) -> torch.Tensor:
        return self._there * other

    def __rsub__(self, other: float) -> torch.Tensor:
        return other - self._there


class _Sigmas:
    """A schedule of such sigmas."""

    def __init__(self, there: torch.Tensor, here: torch.Tensor) -> None:
        self._there = there
        self._here = here

    def __len__(self) -> int:
        return len(self._here)

    def __getitem__(self, index: int) -> _Sigma:
        return _Sigma(self._there[index], self._here[index])


def sigmas_answer_on_the_host(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; declines sigmas without a twin."""
    from syncfree.adapters.host_copies import host_copy_of
    from syncfree.adapters.host_view import uses_own_methods, view_of

    is_upstreams = uses_own_methods(upstream)

    @functools.wraps(upstream)
    def step(self: Any, *arguments: Any) -> Any:
        sigmas = self.sigmas
        host = host_copy_of(sigmas)
        if host is None or not is_upstreams(self):
            return NotImplemented
        if host is sigmas:
            return upstream(self, *arguments)  # nothing to translate
        view = view_of(self, sigmas=_Sigmas(sigmas, host))
        return NotImplemented if view is None else upstream(view, *arguments)

    return step
