"""The programs of the tests, each in a process of its own: `python -m tests.engines.vllm_omni.scenarios SCENARIO NAME MODEL RESULT`."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .worker import Worker

HOOKS = ("scheduler_step", "host_timestep", "schedule_upload")


def digest(latents: torch.Tensor) -> str:
    return hashlib.sha256(latents.cpu().float().numpy().tobytes()).hexdigest()


def plain(name: str, model: str) -> dict[str, Any]:
    """Generate on the CPU, with no word about syncfree in the program."""
    latents = Worker(name, model).generate()
    found = {"digest": digest(latents), "shape": list(latents.shape), "spread": latents.float().std().item()}
    if "syncfree" not in sys.modules:
        return {**found, "syncfree": False}
    return {**found, "syncfree": True, **bound()}


def simulated(name: str, model: str) -> dict[str, Any]:
    """Generate on a simulated GPU with each choice: once, with its waits counted, and with its launches counted."""
    import syncfree
    from syncfree.audit import audit
    from tests.contract.support.launches import Launches

    worker = Worker(name, model)
    with audit(backend="simulated"):
        pass  # from here on there is a GPU
    worker.move(torch.device("cuda"))
    choices: dict[str, dict[str, str]] = {
        "upstream": dict.fromkeys(HOOKS, "upstream"),
        "sync_free": {"scheduler_step": "sync_free"},
        "coefficient_table": {"scheduler_step": "coefficient_table"},
    }
    found = {}
    for choice, hooks in choices.items():
        with syncfree.use(**hooks):
            worker.generate()
            with audit() as report:
                latents = worker.generate()
            with Launches() as launches:  # apart: it would be where every operator waits
                worker.generate()
        sites = [(f"{Path(site.where.file).name}:{site.where.function}", site.count) for site in report.sites()]
        found[choice] = {
            "digest": digest(latents),
            "sites": {place: sum(count for other, count in sites if other == place) for place, _ in sites},
            "launches": launches.count,
        }
    return {"choices": found, **bound()}


def bound() -> dict[str, Any]:
    """Say which targets of vLLM-Omni are bound, and how often each implementation was called and declined."""
    import syncfree

    entries = [entry for entry in syncfree.plan() if entry.targets[0].startswith("vllm_omni.")]
    counts = {
        target.rpartition(":")[2]: {name: [c.calls, c.declines] for name, c in by.items() if c.calls or c.declines}
        for entry in entries
        for target, by in entry.counts.items()
    }
    return {
        "states": {f"{entry.hook} {entry.targets[0].rpartition(':')[2]}": [entry.verdict, entry.state] for entry in entries},
        "calls": {target: by for target, by in counts.items() if by},
    }


SCENARIOS: dict[str, Callable[[str, str], dict[str, Any]]] = {f.__name__: f for f in (plain, simulated)}

if __name__ == "__main__":
    scenario, name, model, result = sys.argv[1:]
    Path(result).write_text(json.dumps(SCENARIOS[scenario](name, model)))
