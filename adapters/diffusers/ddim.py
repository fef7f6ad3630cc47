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
    an overridden ``_get_variance``, noise handed in; and where upstream raises.
    """
    as_upstream = on_the_host("timestep")

    def compose(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        from syncfree.adapters.host_twins import notes_on, stream_of, twin_of

        names = upstream.__globals__
        variance_of = names[upstream.__qualname__.split(".")[0]]._get_variance
        on_upstreams_way = as_upstream(host_timestep, upstream)

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
            config, schedule = self.config, self.timesteps
            value = timestep
            if isinstance(timestep, torch.Tensor) and not timestep.is_cpu:
                host = twin_of(schedule)
                value = NotImplemented if host is None else host_timestep(timestep, schedule, host)
                if value is NotImplemented:
                    return NotImplemented
            alphas, final = self.alphas_cumprod, self.final_alpha_cumprod
            table = notes_on(alphas)
            if (
                table is None
                or final.is_inference()
                or config.thresholding
                or config.prediction_type not in ("epsilon", "sample", "v_prediction")
                or variance_noise is not None
                or self.num_inference_steps is None
                or type(eta) not in (float, int)
                or type(self)._get_variance is not variance_of
                or not _is_index(value)
            ):
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
            index = int(value)
            before = index - config.num_train_timesteps // self.num_inference_steps
            key = (final, final._version, index, before, eta, stream_of(alphas))
            scalars = table.get(key)
            if scalars is None:
                with torch.inference_mode(False):  # inference tensors kept for later would break who needs gradients
                    scalars = table[key] = _scalars(self, index, before, eta)

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


def _is_index(value: Any) -> bool:
    """Upstream raises what it raises for anything else."""
    import torch

    return type(value) is int or (getattr(value, "is_cpu", False) and not value.dim() and value.dtype is torch.int64)
