"""Count the host syncs of SGLang's schedulers on a simulated GPU, upstream's way and ours, and print them as JSON.

Runs in an environment with SGLang, which is imported before the simulated GPU is there: its platform stays the CPU. A script
that uses a part of SGLang loads the hooks itself; only the engine runs plugins.
"""

from __future__ import annotations

# ruff: noqa: E402, I001 the hooks are loaded before what they bind is imported
import hashlib
import json
import sys
from typing import Any

import syncfree

syncfree.load("sglang")

import torch
from sglang.multimodal_gen.runtime.models.schedulers.scheduling_flow_unipc_multistep import FlowUniPCMultistepScheduler
from sglang.multimodal_gen.runtime.models.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from syncfree.audit import audit, step
from syncfree.audit.simulated._support import _SERVERS

STEPS = 6
SCHEDULERS = {
    "FlowUniPC": lambda: FlowUniPCMultistepScheduler(shift=3.0),
    "UniPC": lambda: UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
}


def run(make: Any) -> dict[str, Any]:
    """One request whose stage does not set a begin index."""
    scheduler = make()
    generator = torch.Generator().manual_seed(0)
    outputs = [torch.randn(1, 4, 2, 3, generator=generator).to("cuda") for _ in range(STEPS)]
    with audit() as report:
        step()
        scheduler.set_timesteps(STEPS, device="cuda")
        sample = outputs[0]
        for timestep, output in zip(scheduler.timesteps, outputs, strict=True):
            step()
            sample = scheduler.step(output, timestep, sample, return_dict=False)[0]
    syncs = report.per_step()
    digest = hashlib.sha256(sample.cpu().numpy().tobytes()).hexdigest()[:16]
    return {"set_timesteps": syncs[0], "steps": syncs[1:], "sample": digest}


def calls(name: str) -> dict[str, int]:
    """Return how often each implementation was asked for an update of a scheduler."""
    entries = (e for e in syncfree.plan() if e.framework == "sglang" and e.hook == "scheduler_step")
    (entry,) = (e for e in entries if f":{name}Multistep" in e.targets[0])
    by_choice = [(choice, counts.calls) for of_target in entry.counts.values() for choice, counts in of_target.items()]
    return {asked: sum(number for choice, number in by_choice if choice == asked) for asked, _ in by_choice}


def main() -> None:
    # To 0.5.20 any import of SGLang diffusion brings its server along, and the simulated GPU refuses to be where requests
    # are served. None is served here.
    for name in _SERVERS:
        sys.modules.pop(name, None)
    with audit(backend="simulated"):
        pass  # installed before any tensor is made
    found: dict[str, dict[str, Any]] = {}
    for name, make in SCHEDULERS.items():
        found[name] = {}
        for choice in ("upstream", "default", "sync_free"):
            others = "default" if choice == "sync_free" else choice
            with syncfree.use(host_timestep=others, schedule_upload=others, scheduler_step=choice):
                before = calls(name)
                found[name][choice] = run(make)
                asked = {one: number - before.get(one, 0) for one, number in calls(name).items()}
                found[name][choice]["calls"] = {one: number for one, number in asked.items() if number}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
