"""The programs of the engine tests, each in a process of its own, inside an environment with a real diffusers and our real wheel.

``python -m tests.engines.diffusers.scenarios NAME`` prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from . import tiny

HOOKS = ("scheduler_step", "host_timestep", "schedule_upload")
METHODS = ("multistep_uni_p_bh_update", "multistep_uni_c_bh_update")


def plain() -> dict[str, Any]:
    """Generate with no word about syncfree in the program."""
    video = tiny.generate(tiny.wan())
    return {"digest": tiny.digest(video), "spread": video.std().item(), **_syncfree_state()}


def toggled() -> dict[str, Any]:
    """Switch to upstream and back in the middle of one generation."""
    import syncfree

    choices = {2: "upstream", 6: "sync_free"}

    def at_step_end(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if step in choices:
            syncfree.use(scheduler_step=choices[step])
        return {}

    video = tiny.generate(tiny.wan(), callback_on_step_end=at_step_end)
    return {"digest": tiny.digest(video), **_syncfree_state()}


def auto() -> dict[str, Any]:
    """Load by ``import syncfree.auto``, after diffusers, in a process where the `.pth` file did nothing."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "FirstImport"]
    pipeline = tiny.wan()
    assert "syncfree" not in sys.modules
    import syncfree.auto  # noqa: F401

    return {"digest": tiny.digest(tiny.generate(pipeline)), **_syncfree_state()}


def restored() -> dict[str, Any]:
    """Restore while a pipeline exists, and generate again."""
    import diffusers

    import syncfree

    pipeline = tiny.wan()
    owner = diffusers.UniPCMultistepScheduler
    placed = [vars(owner)[name] for name in METHODS]
    originals = [function.__wrapped__ for function in placed]
    before = tiny.digest(tiny.generate(pipeline))
    left = syncfree.restore()
    calls = _syncfree_state()["calls"]
    after = tiny.digest(tiny.generate(pipeline))
    return {
        "digest": after,
        "before": before,
        "left": left,
        "identical": all(vars(owner)[name] is original for name, original in zip(METHODS, originals, strict=True)),
        "files": [original.__code__.co_filename for original in originals],
        "was_placed": all(function is not original for function, original in zip(placed, originals, strict=True)),
        "calls_before": calls,
    }


def pipelines_on_a_simulated_gpu() -> dict[str, Any]:
    """Whole requests of many pipelines and schedulers: upstream against ours, syncs counted, what is left named."""
    import diffusers
    import torch
    from packaging.version import Version

    import syncfree
    from syncfree.audit import audit

    from . import pipelines

    here = Version(diffusers.__version__)
    made = {name: pipelines.make(name) for name, tiny in pipelines.PIPELINES.items() if Version(tiny.since) <= here}
    with audit(backend="simulated"):
        pass  # from here on there is a GPU
    found = {}
    for name, pipeline in made.items():
        pipeline.to("cuda")
        inputs = {k: v.to("cuda") for k, v in pipelines.PIPELINES[name].call().items() if isinstance(v, torch.Tensor)}
        for scheduler in pipelines.PIPELINES[name].schedulers:
            if type(pipeline.scheduler).__name__ != scheduler:
                pipeline.scheduler = getattr(diffusers, scheduler).from_config(pipeline.scheduler.config)
            with syncfree.use(**dict.fromkeys(HOOKS, "upstream")), audit() as before:
                expected = pipelines.generate(name, pipeline, **inputs)
            with audit() as after:
                result = pipelines.generate(name, pipeline, **inputs)
            found[f"{name} {scheduler}"] = {
                "equal": torch.equal(result.cpu(), expected.cpu()),
                "upstream": before.count,
                "ours": after.count,
                "left": sorted({f"{site.where.file}:{site.where.line}" for site in after.sites()}),
            }
    return found


def compiled() -> dict[str, Any]:
    """A transformer compiled by Dynamo, between scheduler steps with and without our hooks."""
    import torch

    import syncfree

    from . import pipelines

    pipeline = pipelines.make("flux")
    plain = pipelines.generate("flux", pipeline)
    pipeline.transformer = torch.compile(pipeline.transformer, backend="aot_eager", fullgraph=True)
    ours = pipelines.generate("flux", pipeline)
    with syncfree.use(**dict.fromkeys(HOOKS, "upstream")):
        upstream = pipelines.generate("flux", pipeline)
    entry = next(e for e in syncfree.plan() if e.hook == "host_timestep" and "FlowMatchEuler" in e.targets[0])
    return {"equal": torch.equal(ours, upstream), "near": torch.allclose(ours, plain, atol=1e-4), "state": entry.state}


def offloaded() -> dict[str, Any]:
    """``enable_model_cpu_offload`` with ``callback_on_step_end`` on a simulated GPU: models go there for their calls and back."""
    import torch

    import syncfree
    from syncfree.audit import audit

    from . import pipelines

    made = {name: pipelines.make(name) for name in ("stable_diffusion", "wan", "cosmos")}
    with audit(backend="simulated"):
        pass  # from here on there is a GPU
    found: dict[str, Any] = {}
    for name, pipeline in made.items():
        seen: list[tuple[int, float, str]] = []

        def at_step_end(
            pipeline: Any,
            step: int,
            timestep: Any,
            tensors: dict[str, Any],
            seen: list[tuple[int, float, str]] = seen,
        ) -> dict[str, Any]:
            seen.append((step, float(timestep), tensors["latents"].device.type))
            return {"latents": tensors["latents"] * 1.01}

        inputs = {k: v.to("cuda") for k, v in pipelines.PIPELINES[name].call().items() if isinstance(v, torch.Tensor)}
        pipeline.enable_model_cpu_offload(device="cuda")
        results = []
        for choice in ("upstream", "sync_free"):
            hooks = dict.fromkeys(HOOKS, "upstream") if choice == "upstream" else {}
            with syncfree.use(**hooks):
                more = {"callback_on_step_end": at_step_end, "output_type": "pt", **inputs}
                results.append(pipelines.generate(name, pipeline, **more).cpu())
        denoiser = pipeline.unet if hasattr(pipeline, "unet") else pipeline.transformer
        found[name] = {
            "equal": torch.equal(*results),
            "callbacks_equal": seen[: len(seen) // 2] == seen[len(seen) // 2 :],
            "callbacks": len(seen),
            "devices": sorted({device for _, _, device in seen}),
            "denoiser_is_back": next(denoiser.parameters()).device.type,
            "shape": list(results[0].shape),
            "spread": results[0].float().std().item() > 0.001,
        }
    return found


def _syncfree_state() -> dict[str, Any]:
    if "syncfree" not in sys.modules:
        return {"syncfree": False}
    import syncfree

    entry = next(e for e in syncfree.plan() if e.hook == "scheduler_step" and "UniPCMultistepScheduler" in e.targets[0])
    counts = {
        name: {choice: [c.calls, c.declines] for choice, c in by.items() if c.calls} for name, by in entry.counts.items()
    }
    return {
        "syncfree": True,
        "verdict": entry.verdict,
        "reason": entry.reason,
        "choice": entry.choice,
        "source": entry.source,
        "state": entry.state,
        "calls": {name.rpartition(".")[2]: by for name, by in counts.items()},
        "bare_folders": sorted({"registry", "plugins", "adapters"} & set(sys.modules)),
    }


SCENARIOS: dict[str, Callable[[], dict[str, Any]]] = {
    f.__name__: f for f in (plain, toggled, auto, restored, compiled, offloaded, pipelines_on_a_simulated_gpu)
}

if __name__ == "__main__":
    print(json.dumps(SCENARIOS[sys.argv[1]]()))
