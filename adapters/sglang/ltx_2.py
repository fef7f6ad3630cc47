"""SGLang's LTX-2.3 HQ pipeline, stage 2 with the res2s sampler.

Each step asks the device for two sigmas and a step size. The sigmas are on the host already, in the context of the loop; the
step size is computed on the device in double precision, and its one read stays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


def _stage_2(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    import torch

    class Known(torch.Tensor):
        """A tensor whose value the host knows. What is computed from it is an ordinary tensor."""

        __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
        host: torch.Tensor

        def item(self) -> Any:
            return self.host.item()

    def known(value: Any, schedule: Any, host: Any) -> Any:
        found = host_timestep(value, schedule, host)
        if found is NotImplemented:
            return NotImplemented
        twin = value.as_subclass(Known)
        twin.host = found
        return twin

    @functools.wraps(upstream)
    def _ltx2_stage2_res2s_step(self: Any, *, ctx: Any, sigma: Any, sigma_next: Any, **more: Any) -> Any:
        schedule, host = ctx.sigmas_device, ctx.sigmas_host
        if host is None or schedule is None or schedule.dtype != host.dtype or schedule.shape != host.shape:
            return NotImplemented
        if not isinstance(sigma, torch.Tensor) or not isinstance(sigma_next, torch.Tensor):
            return NotImplemented
        sigma, sigma_next = (known(value, schedule, host) for value in (sigma, sigma_next))
        if sigma is NotImplemented or sigma_next is NotImplemented:
            return NotImplemented
        return upstream(self, ctx=ctx, sigma=sigma, sigma_next=sigma_next, **more)

    return _ltx2_stage2_res2s_step


_STAGES = "sglang.multimodal_gen.runtime.pipelines_core.stages.model_specific_stages"

BINDING = Binding(
    hook="host_timestep",
    targets=(f"{_STAGES}.ltx_2.denoising:LTX2DenoisingStage._ltx2_stage2_res2s_step",),
    forms=(Form(">=0.5.23,<=0.5.23", "needed", "3 host syncs per step in stage 2 of LTX-2.3 HQ; 1 is left", (_stage_2,)),),
)
