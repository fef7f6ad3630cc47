"""Stages of SGLang around its schedulers, of one release, on a simulated GPU: upstream against ours.

``python -m tests.contract.support.sglang_stages_on_a_simulated_gpu RELEASE`` prints a JSON object by stage. The stages' functions are
those of the release, taken out of its source. It is a process of its own, because a simulated GPU is installed for good.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from packaging.version import Version

from syncfree.adapters.sglang.host_timestep import ltx_2
from syncfree.audit import audit, step
from syncfree.plugins.sync_free.scheduler_step import scheduler_step
from tests.environments import unpacked

from .bound_class import bound, calls_and_declines
from .sglang_schedulers_on_a_simulated_gpu import FUNCTIONS, MODULES, bindings_of, same
from .upstream_packages import sglang_scheduler
from .upstream_source import functions

STAGES = Path("sglang/multimodal_gen/runtime/pipelines_core/stages/model_specific_stages")
Run = Callable[[], list[torch.Tensor]]


def compare(owner: type, bindings: list[Any], release: str, run: Run) -> dict[str, Any]:
    """Run with upstream's code and with ours; host syncs by step, the first entry what comes before the first step."""
    with audit() as report:
        expected = run()
    upstream = report.per_step()
    with ExitStack() as stack:
        every = {**FUNCTIONS, "scheduler_step": scheduler_step}
        slots = [stack.enter_context(bound(owner, one, release, every[one.hook])) for one in bindings]
        with audit() as report:
            found = run()
        counts = [calls_and_declines(by_name) for by_name in slots]
    return {
        "upstream": upstream,
        "ours": report.per_step(),
        "equal": same(expected, found),
        "calls": sum(calls for calls, _ in counts),
        "declines": sum(declines for _, declines in counts),
    }


def cosmos3(release: str, name: str, shift: float, steps: int) -> dict[str, Any]:
    """The stage that prepares the timesteps and sets no begin index, then the steps of the denoising stage."""
    namespace = {"torch": torch, "get_local_torch_device": lambda: torch.device("cuda")}
    file = unpacked("sglang", release) / STAGES / "cosmos3.py"
    prepare = functions(file, ["Cosmos3TimestepPreparationStage.forward"], namespace)["forward"]
    owner: Any = getattr(sglang_scheduler(release, MODULES[name]), name)

    source = torch.Generator().manual_seed(0)
    first, *outputs = torch.randn(steps + 1, 1, 4, 2, 3, 3, generator=source).to("cuda").unbind()

    def run() -> list[torch.Tensor]:
        stage = SimpleNamespace(scheduler=owner(), log_info=lambda message: None, default_flow_shift=None)
        batch = SimpleNamespace(num_inference_steps=steps, flow_shift=shift, rollout=False)
        config = SimpleNamespace(flow_shift=shift, distilled_sigmas=None, is_edge=False)
        step()
        prepare(stage, batch, SimpleNamespace(pipeline_config=config))
        samples = [first]
        # Where the first two are equal, upstream starts at the second sigma and fails at the end.
        timesteps = batch.timesteps[: -1 if shift > 10 else None]
        for timestep, output in zip(timesteps, outputs[: len(timesteps)], strict=True):
            step()
            samples.append(stage.scheduler.step(output, timestep, samples[-1], return_dict=False)[0])
        return samples

    return compare(owner, bindings_of(name, release), release, run)


def ltx_2_stage_2(release: str) -> dict[str, Any]:
    """Stage 2 of LTX-2.3 HQ, with a model that is a multiplication."""
    names = ("_ltx2_stage2_res2s_step", "_ltx2_get_res2s_coefficients", "_ltx2_phi_1", "_ltx2_phi_2", "_ltx2_get_sde_coeff")
    names += ("_ltx2_res2s_sde_step", "_ltx2_apply_clean_latent_mask", "_randn_like_with_batch_generators")
    namespace = {"torch": torch, "math": math, "randn_tensor": randn_tensor}
    file = unpacked("sglang", release) / STAGES / "ltx_2" / "denoising.py"
    found = functions(file, [f"LTX2DenoisingStage.{name}" for name in names], namespace)
    owner: Any = type("LTX2DenoisingStage", (), {name: found[name] for name in names})
    scheduler_name = "FlowMatchEulerDiscreteScheduler"
    scheduler_type: Any = getattr(sglang_scheduler(release, "scheduling_flow_match_euler_discrete"), scheduler_name)

    def run() -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        scheduler = scheduler_type(shift=3.0)
        step()
        scheduler.set_timesteps(4, device="cuda")
        ctx = SimpleNamespace(scheduler=scheduler, use_native_hq_res2s_sde_noise=False, denoise_mask=None, clean_latent=None)
        ctx.latents, ctx.audio_latents = (randn_tensor((1, 6, size), generator, "cuda", torch.float32) for size in (8, 5))
        if Version(release) >= Version("0.5.23"):
            ctx.sigmas_host = scheduler.sigmas.to(device="cpu", dtype=torch.float32)
            ctx.sigmas_device = scheduler.sigmas.to(device="cuda", dtype=torch.float32)
        sigmas = scheduler.sigmas
        samples = []
        for index in range(4):
            pair = [sigmas[i].to(device="cuda", dtype=torch.float32) for i in (index, index + 1)]
            step()
            ctx.latents, ctx.audio_latents = owner()._ltx2_stage2_res2s_step(
                ctx=ctx,
                batch=SimpleNamespace(generator=generator),
                sigma=pair[0],
                sigma_next=pair[1],
                model_video_velocity=ctx.latents * 0.5,
                model_audio_velocity=ctx.audio_latents * 0.25,
                model_video_timestep=None,
                model_audio_timestep=None,
                midpoint_model_call=lambda video, audio, sigma: (video * 0.5, audio * 0.25, None, None),
            )
            samples += [ctx.latents, ctx.audio_latents]
        return samples

    with ExitStack() as stack:
        for binding in bindings_of(scheduler_name, release):
            stack.enter_context(bound(scheduler_type, binding, release, FUNCTIONS[binding.hook]))
        return compare(owner, [ltx_2.BINDING], release, run)


def randn_tensor(shape: Any, generator: Any, device: Any, dtype: Any) -> torch.Tensor:
    """Numbers made on the host, as diffusers' function of this name does with a generator of the host."""
    return torch.randn(shape, generator=generator, dtype=dtype).pin_memory().to(device, non_blocking=True)


def main(release: str) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    with audit(backend="simulated"):
        pass  # from here on there is a GPU
    found = {
        "cosmos3 unipc": cosmos3(release, "UniPCMultistepScheduler", 3.0, 8),
        "cosmos3 flow_unipc": cosmos3(release, "FlowUniPCMultistepScheduler", 3.0, 8),
        "cosmos3 flow_unipc, equal timesteps": cosmos3(release, "FlowUniPCMultistepScheduler", 60.0, 20),
    }
    if Version(release) >= Version("0.5.14"):
        found["ltx_2 stage 2"] = ltx_2_stage_2(release)
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
