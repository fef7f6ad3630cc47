"""Step schedulers of diffusers through one request each. Usage: diffusers_schedulers.py [CLASS[=HOOK] ...]

The first step of a request contains its ``set_timesteps``. Launches include one for each random model output.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import diffusers
import torch
from digests import digest
from measuring import BEGUN, Measurement, about

from tests.audit_counts import diffusers_schedulers as counted


def run(owner: type, hook: str | None) -> dict[str, Any]:
    """One request with random model outputs, the second with its schedule."""
    counted.set_timesteps(owner())
    torch.manual_seed(0)
    scheduler = owner()
    measurement = Measurement(hook)
    with measurement.step():
        counted.set_timesteps(scheduler)
        stepping = counted.steps(scheduler)
        samples = [next(stepping), next(stepping)]
    for _ in range(counted.number_of_steps(scheduler) - 1):
        with measurement.step():
            samples.append(next(stepping))
    return {**measurement.told(), "steps": len(samples) - 1, "generated": digest(samples)}


def main(*cases: str) -> None:
    warnings.simplefilter("ignore")
    torch.cuda.init()  # as the weights of a model have; before it schedule_upload leaves uploads to upstream
    started = time.time() - BEGUN
    told: dict[str, Any] = {}
    for item in cases:
        name, _, hook = item.partition("=")
        try:
            told[name] = run(getattr(diffusers, name), hook or None)
        except Exception as error:  # noqa: BLE001  (whatever an old release raises under a new torch belongs in the result)
            told[name] = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"}
    Path(os.environ["RESULT"]).write_text(json.dumps({"about": {**about(), "start_seconds": round(started, 1)}, "cases": told}))


if __name__ == "__main__":
    main(*sys.argv[1:])
