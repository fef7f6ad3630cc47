"""SGLang's LTX-2.3 HQ pipeline, stage 2 with the res2s sampler.

Each step asks the device for two sigmas and a step size. The sigmas are on the host already: in the context of the loop from
0.5.23, before that where `schedule_upload` saw them leave it. The step size is computed on the device in double precision, and
its read stays, and so do others of older releases.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


def _stage_2(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    import torch

    from syncfree.adapters.host_copies import host_copy_of

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
        if getattr(ctx, "sigmas_host", None) is not None:
            schedule, host = ctx.sigmas_device, ctx.sigmas_host
        else:
            schedule = ctx.scheduler.sigmas
            host = host_copy_of(schedule)
        if host is None or schedule.dtype != host.dtype:
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
    forms=(
        Form(">=0.5.14,<0.5.23", "stalls", "11 host syncs per step in stage 2 of LTX-2.3 HQ; 9 are left", (_stage_2,)),
        Form(">=0.5.23", "stalls", "3 host syncs per step in stage 2 of LTX-2.3 HQ; 1 is left", (_stage_2,)),
    ),
)
