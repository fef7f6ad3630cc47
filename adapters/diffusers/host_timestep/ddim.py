"""diffusers ``DDIMScheduler.step``: a timestep's scalars are computed once, and only the sample's arithmetic is left.

About 25 of the operators of a step make scalars that depend on the timestep, the number of steps and eta alone. They are
computed by upstream's operators on upstream's device, so the sample is equal bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from syncfree.adapters.host_timesteps import on_the_host
from syncfree.adapting import Compose

if TYPE_CHECKING:
    import torch


_SMALLEST = 1e-30
"""Alphas are between it and 1, or upstream's operators run: what is sub-normal may be 0 for one thread and not for another."""
_LARGEST_ETA = 1e6
"""Of larger ones, some are an error in torch, which upstream raises later than the scalars are made here."""


class Scalars(NamedTuple):
    """The scalars of one step, 0-dim: the roots of the two alphas and of one beta, what the noises are multiplied with."""

    root_alpha: torch.Tensor
    root_beta: torch.Tensor
    root_alpha_before: torch.Tensor
    direction: torch.Tensor
    deviation: torch.Tensor


def step_from_a_table(output: str) -> Compose:
    """Compose ``step``; ``output`` names the class of the module that it returns.

    Upstream's own code runs, with the host's timestep, where scalars are not what they are for everybody: thresholding,
    a method that is not upstream's, noise handed in; and where upstream raises.
    """
    as_upstream = on_the_host("timestep", as_numbers=True)

    def compose(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        from syncfree.adapters.host_copies import cache_for, host_copy_of, stream_of
        from syncfree.adapters.host_view import uses_own_methods
        from syncfree.plugins.ordinary import is_ordinary, is_traced

        names = upstream.__globals__
        is_upstreams = uses_own_methods(upstream)
        on_upstreams_way = as_upstream(host_timestep, upstream)

        def index_of(timestep: Any, schedule: Any) -> int | None:
            """The timestep as a number; None for what is not one integer of the host or of the schedule."""
            if type(timestep) is int:
                return timestep
            if not is_ordinary(timestep) or timestep.dtype is not torch.int64 or timestep.dim() or is_traced():
                return None
            if not timestep.is_cpu:
                host = host_copy_of(schedule)
                timestep = NotImplemented if host is None else host_timestep(timestep, schedule, host)
            return None if timestep is NotImplemented else int(timestep)

        def is_covered(scheduler: Any, eta: Any, variance_noise: Any) -> bool:
            config, steps = scheduler.config, scheduler.num_inference_steps
            if config.thresholding or config.prediction_type not in ("epsilon", "sample", "v_prediction"):
                return False
            if variance_noise is not None or type(eta) not in (float, int) or not 0 <= eta <= _LARGEST_ETA:
                return False
            return type(steps) is int and steps > 0 and is_upstreams(scheduler)

        def scalars_of(scheduler: Any, timestep: Any, eta: float) -> Scalars | None:
            """The scalars of a step, from the table of the scheduler's alphas; None where upstream has to make them."""
            alphas, final = scheduler.alphas_cumprod, scheduler.final_alpha_cumprod
            index, table = index_of(timestep, scheduler.timesteps), cache_for(alphas)
            if index is None or table is None or alphas.dim() != 1 or not 0 <= index < len(alphas):
                return None
            if not is_ordinary(final) or not final.is_cpu or final.dim() or final.requires_grad or final.dtype != alphas.dtype:
                return None
            before = index - scheduler.config.num_train_timesteps // scheduler.num_inference_steps
            values: tuple[float, ...] = (final.item(),)
            if alphas.is_cpu:
                if (seen := table.get("values")) is None:
                    seen = table["values"] = alphas.numpy()  # the same memory
                values = seen.item(index), seen.item(before) if before >= 0 else values[0]
            if not all(_SMALLEST <= value <= 1 for value in values):
                return None
            key = index, before, values, eta, stream_of(alphas)
            scalars: Scalars | None = table.get(key)
            if scalars is None:
                with torch.inference_mode(False):  # inference tensors kept for later would break who needs gradients
                    scalars = _scalars(scheduler, index, before, eta)
                if type(scalars.deviation) is torch.Tensor:  # no mode of the caller's has made something else of it
                    table[key] = scalars
            return scalars

        @functools.wraps(upstream)
        def step(
            self: Any,
            model_output: Any,
            timestep: Any,
            sample: Any,
            eta: Any,
            use_clipped_model_output: bool,
            generator: Any,
            variance_noise: Any,
            return_dict: bool,
        ) -> Any:
            scalars = scalars_of(self, timestep, eta) if is_covered(self, eta, variance_noise) else None
            if scalars is None:
                return on_upstreams_way(
                    self,
                    model_output,
                    timestep,
                    sample,
                    eta,
                    use_clipped_model_output,
                    generator,
                    variance_noise,
                    return_dict,
                )
            config = self.config
            root_alpha, root_beta, root_alpha_before, direction, deviation = scalars
            if config.prediction_type == "epsilon":
                original = (sample - root_beta * model_output) / root_alpha
                epsilon = model_output
            elif config.prediction_type == "sample":
                original = model_output
                epsilon = (sample - root_alpha * original) / root_beta
            else:
                original = root_alpha * sample - root_beta * model_output
                epsilon = root_alpha * model_output + root_beta * sample
            if config.clip_sample:
                original = original.clamp(-config.clip_sample_range, config.clip_sample_range)
            if use_clipped_model_output:
                epsilon = (sample - root_alpha * original) / root_beta
            towards = direction * epsilon
            previous = root_alpha_before * original + towards
            if eta > 0:
                noise = names["randn_tensor"](
                    model_output.shape, generator=generator, device=model_output.device, dtype=model_output.dtype
                )
                previous = previous + deviation * noise
            if not return_dict:
                return previous, original
            return names[output](prev_sample=previous, pred_original_sample=original)

        return step

    return compose


def _scalars(scheduler: Any, index: int, before: int, eta: float) -> Scalars:
    alphas = scheduler.alphas_cumprod
    alpha = alphas[index]
    alpha_before = alphas[before] if before >= 0 else scheduler.final_alpha_cumprod
    deviation = eta * scheduler._get_variance(index, before) ** 0.5
    return Scalars(
        root_alpha=alpha**0.5,
        root_beta=(1 - alpha) ** 0.5,
        root_alpha_before=alpha_before**0.5,
        direction=(1 - alpha_before - deviation**2) ** 0.5,
        deviation=deviation,
    )
