"""SGLang's flow-matching schedulers that look a timestep up by its value: SelfForcing (LingBot-World), and FlowMatch (MOVA).

MOVA's own loop steps with timesteps of the host, for which FlowMatch does not wait; a caller that steps with timesteps
of the device has each of them downloaded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form

_SCHEDULERS = "sglang.multimodal_gen.runtime.models.schedulers"
_SELF_FORCING = f"{_SCHEDULERS}.scheduling_self_forcing_flow_match:SelfForcingFlowMatchScheduler"


def _self_forcing(nearest_sigma: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; the first one moves the schedule to the device, as upstream does, from pinned memory."""
    import torch

    from syncfree.plugins.ordinary import is_ordinary, is_traced
    from syncfree.plugins.sync_free.schedule_upload import schedule_upload

    output_class = upstream.__globals__["SelfForcingFlowMatchSchedulerOutput"]

    @functools.wraps(upstream)
    def step(
        self: Any,
        model_output: Any,
        timestep: Any,
        sample: Any,
        to_final: Any = False,
        return_dict: Any = False,
        **more: Any,
    ) -> Any:
        schedule = (self.timesteps, self.sigmas)
        if to_final is not False or is_traced() or not all(map(is_ordinary, (model_output, timestep, sample, *schedule))):
            return NotImplemented
        if model_output.is_cpu or not timestep.device == sample.device == model_output.device or timestep.dim() > 2:
            return NotImplemented
        if any(one.dtype is not torch.float32 or one.dim() != 1 or one.requires_grad for one in schedule):
            return NotImplemented
        device = model_output.device
        there = [one if one.device == device else schedule_upload(one, device, one.dtype) for one in schedule]
        if any(one is NotImplemented for one in there):
            return NotImplemented
        final = 1.0 if (self.inverse_timesteps or self.reverse_sigmas) else 0.0
        change = nearest_sigma(timestep.reshape(-1), *there, final)
        if change is NotImplemented:
            return NotImplemented
        self.timesteps, self.sigmas = there
        prev_sample = sample + model_output * change.reshape(-1, 1, 1, 1)
        return output_class(prev_sample=prev_sample) if return_dict else (prev_sample,)

    return step


def _flow_match(nearest_sigma: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step`` with a timestep on the device; its schedule stays on the host.

    Upstream multiplies the output by a scalar of the host, which kernels read in float32 also where the output is of a smaller type.
    """
    import torch

    from syncfree.adapters.device_copies import device_copy
    from syncfree.plugins.ordinary import is_ordinary, is_traced
    from syncfree.plugins.sync_free.schedule_upload import schedule_upload

    @functools.wraps(upstream)
    def step(self: Any, model_output: Any, timestep: Any, sample: Any, to_final: Any = False, **more: Any) -> Any:
        if not is_ordinary(timestep) or timestep.is_cpu:
            return upstream(self, model_output, timestep, sample, to_final, **more)  # nothing is downloaded
        if (
            to_final is not False
            or timestep.dim()
            or is_traced()
            or not is_ordinary(model_output)
            or not is_ordinary(sample)
        ):
            return NotImplemented
        if not timestep.device == sample.device == model_output.device:
            return NotImplemented
        timesteps, sigmas = (device_copy(one, timestep, schedule_upload) for one in (self.timesteps, self.sigmas))
        if timesteps is None or sigmas is None or not timesteps.dtype is sigmas.dtype is torch.float32:
            return NotImplemented
        final = 1.0 if (self.inverse_timesteps or self.reverse_sigmas) else 0.0
        change = nearest_sigma(timestep.to(torch.float32).reshape(1), timesteps, sigmas, final)  # as a scalar is read
        if change is NotImplemented:
            return NotImplemented
        change = change[0]
        if model_output.dtype in (torch.bfloat16, torch.float16):
            return sample + (model_output.float() * change).to(model_output.dtype)
        return sample + model_output * change

    return step


BINDINGS = (
    Binding(
        hook="nearest_sigma",
        targets=(f"{_SELF_FORCING}.step",),
        forms=(Form(">=0.5.9", "stalls", "1 host sync per step: whether it is the last", (_self_forcing,)),),
    ),
    Binding(
        hook="nearest_sigma",
        targets=(f"{_SCHEDULERS}.flow_match_pair:FlowMatchScheduler.step",),
        forms=(Form(">=0.5.9", "stalls", "1 host sync per step with a timestep on the device", (_flow_match,)),),
    ),
)
