"""Syncs and times on a CUDA device: ``make bench-gpu``. Nothing of it is part of the tests.

Runs the auditor's calibration with the CUDA back end, then the UniPC step loop of an installed diffusers with upstream's
code and with each implementation: syncs and microseconds of host time per step, and whether the samples are equal bit for
bit. Writes a results file with machine, versions and date, to be committed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
from pathlib import Path
from typing import Any

STEPS = 50
SHAPE = (1, 16, 21, 60, 104)
CHOICES = ("upstream", "sync_free", "coefficient_table")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/gpu-results.json"), help="the results file")
    options = parser.parse_args()
    try:
        import torch
    except ImportError:
        print("bench-gpu: this Python has no torch; set PYTHON=... to one that has it, with CUDA", file=sys.stderr)
        return 2
    if not torch.cuda.is_available():
        print(f"bench-gpu: torch {torch.__version__} sees no CUDA device here, so nothing was measured", file=sys.stderr)
        return 2
    from syncfree.audit import calibration

    result: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "calibration": calibration.measure(),
        "unipc": unipc(),
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["unipc"], indent=1))
    print(f"written to {options.output}")
    return 0


def unipc() -> dict[str, Any]:
    """The UniPC step loop of the installed diffusers under each choice, fp32 and bf16; a message where there is none."""
    try:
        import diffusers
    except ImportError:
        return {"skipped": "diffusers is not installed"}
    import torch

    import syncfree

    syncfree.load("diffusers")
    found: dict[str, Any] = {"diffusers": diffusers.__version__, "steps": STEPS, "shape": list(SHAPE)}
    for dtype in (torch.float32, torch.bfloat16):
        rows: dict[str, Any] = {}
        samples = {}
        for choice in CHOICES:
            with syncfree.use(scheduler_step=choice, host_timestep="upstream" if choice == "upstream" else "default"):
                samples[choice], rows[choice] = _loop(dtype)
        for choice in CHOICES:
            rows[choice]["equal_to_upstream"] = torch.equal(samples[choice], samples["upstream"])
        found[str(dtype)] = rows
    return found


def _loop(dtype: Any) -> tuple[Any, dict[str, float]]:
    import torch
    from diffusers import UniPCMultistepScheduler

    from syncfree.audit import audit

    def denoise() -> Any:
        scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
        scheduler.set_timesteps(STEPS, device="cuda")
        sample = torch.randn(SHAPE, generator=torch.Generator("cuda").manual_seed(0), device="cuda").to(dtype)
        for timestep in scheduler.timesteps:
            sample = scheduler.step(sample * 0.1, timestep, sample, return_dict=False)[0]
        return sample

    denoise()
    with audit() as report:
        sample = denoise()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    denoise()
    end.record()
    torch.cuda.synchronize()
    return sample, {"syncs_per_step": report.count / STEPS, "milliseconds_per_step": start.elapsed_time(end) / STEPS}


if __name__ == "__main__":
    sys.exit(main())
