"""diffusers ``SASolverScheduler``: an update is a sum of samples, each times a scalar that depends on the sigmas, order and tau.

Upstream makes these scalars with about a hundred operators. Its own code is run once on stand-ins for the samples, which
keep what they are multiplied with.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

_SMALLEST, _LARGEST = 1e-4, 1e4
"""Sigmas are between them, so that no scalar is sub-normal, which may be 0 for one thread and not for another one."""


class Scalars(NamedTuple):
    """The scalars of one update, 0-dim: of the sample, of the noise, of the model outputs from the newest on."""

    of_sample: Any
    of_noise: Any
    of_outputs: tuple[Any, ...]


class _StandIn:
    """A sample for upstream's update, which multiplies it with a scalar and adds products up."""

    dtype = None

    def __init__(self) -> None:
        self.factor: Any = None

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        *factors, stand_in = args  # one factor of a product; none of `zeros_like`
        if factors:
            (stand_in.factor,) = factors
        return stand_in

    def __add__(self, other: Any) -> _StandIn:
        return self

    def to(self, dtype: Any) -> _StandIn:
        return self


def predictor_update(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``stochastic_adams_bashforth_update``; declines other arguments than ``step`` calls it with."""
    update = _update(upstream)

    @functools.wraps(upstream)
    def stochastic_adams_bashforth_update(
        self: Any, model_output: Any, *args: Any, sample: Any, noise: Any, order: Any, tau: Any, **kwargs: Any
    ) -> Any:
        if args or kwargs or sample is None or noise is None:
            return NotImplemented

        def on_stand_ins(view: Any, newest: Any, sample: Any, noise: Any) -> Any:
            return upstream(view, None, sample=sample, noise=noise, order=order, tau=tau)

        return update(self, on_stand_ins, sample, sample, noise, self.model_outputs, order, tau)

    return stochastic_adams_bashforth_update


def corrector_update(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``stochastic_adams_moulton_update``; declines other arguments than ``step`` calls it with."""
    update = _update(upstream)

    @functools.wraps(upstream)
    def stochastic_adams_moulton_update(
        self: Any,
        this_model_output: Any,
        *args: Any,
        last_sample: Any,
        last_noise: Any,
        this_sample: Any,
        order: Any,
        tau: Any,
        **kwargs: Any,
    ) -> Any:
        if args or kwargs or last_sample is None or last_noise is None or this_sample is None:
            return NotImplemented

        def on_stand_ins(view: Any, newest: Any, sample: Any, noise: Any) -> Any:
            return upstream(view, newest, last_sample=sample, last_noise=noise, this_sample=sample, order=order, tau=tau)

        outputs = [*self.model_outputs, this_model_output]
        return update(self, on_stand_ins, this_sample, last_sample, last_noise, outputs, order, tau)

    return stochastic_adams_moulton_update


def _update(upstream: Callable[..., Any]) -> Callable[..., Any]:
    import torch

    from syncfree.adapters.host_copies import cache_for
    from syncfree.adapters.host_view import seen_through, uses_own_methods, view_of
    from syncfree.plugins.ordinary import content, is_ordinary

    is_upstreams = uses_own_methods(upstream)

    def update(
        scheduler: Any,
        on_stand_ins: Callable[..., Any],
        like: Any,
        sample: Any,
        noise: Any,
        outputs: Sequence[Any],
        order: Any,
        tau: Any,
    ) -> Any:
        """The update of a sample; ``like`` is what the sum of outputs has shape and dtype of."""
        scheduler = seen_through(scheduler)  # ``step`` runs on a view where the timesteps are on a device
        sigmas, place = scheduler.sigmas, scheduler.step_index
        if type(order) is not int or type(tau) not in (int, float) or type(place) is not int or not is_upstreams(scheduler):
            return NotImplemented
        if not is_ordinary(sigmas) or not sigmas.is_cpu or sigmas.dtype is not torch.float32 or sigmas.dim() != 1:
            return NotImplemented
        notes = cache_for(scheduler.alphas_cumprod)  # they live as long as the scheduler, sigmas as long as a request
        if notes is None or sigmas.requires_grad or len(outputs) < order:
            return NotImplemented
        key = upstream, content(sigmas), place, order, tau, scheduler.predict_x0, scheduler.config.use_flow_sigmas
        scalars: Scalars | None = notes.get(key)
        if scalars is None:
            if not bool(((sigmas >= _SMALLEST) & (sigmas <= _LARGEST)).all()):
                return NotImplemented
            stand_ins = [_StandIn() for _ in outputs]
            view = view_of(scheduler, model_outputs=stand_ins[: len(scheduler.model_outputs)])
            if view is None:
                return NotImplemented
            of_sample, of_noise = _StandIn(), _StandIn()
            with torch.inference_mode(False):  # inference tensors kept for later would break who needs gradients
                on_stand_ins(view, stand_ins[-1], of_sample, of_noise)
            newest = (stand_ins[-(number + 1)].factor for number in range(order))
            scalars = Scalars(of_sample.factor, of_noise.factor, tuple(newest))
            if type(of_sample.factor) is torch.Tensor:  # no mode of the caller's has made something else of it
                notes[key] = scalars
        total = torch.zeros_like(like)
        for number, factor in enumerate(scalars.of_outputs):
            total += factor * outputs[-(number + 1)]
        noisy = scalars.of_noise * noise
        return (scalars.of_sample * sample + total + noisy).to(sample.dtype)

    return update
