"""The cost of the simulated device and of an audit: ``python -m tests.audit_counts.cost``, in an environment with diffusers.

A scheduler loop (tiny tensors, many operations) and a transformer layer (large ones), on the CPU in a process of its own,
then on the simulated device without and with an open audit. Ratios to the CPU, medians of repeats.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from syncfree.audit import audit, simulated

_REPEATS = 15


def seconds(run: Callable[[], object]) -> float:
    run()
    times = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def scheduler_loop(device: str) -> Callable[[], object]:
    from diffusers import UniPCMultistepScheduler

    sample = torch.randn(1, 4, 32, 32).to(device)

    def run() -> None:
        scheduler: Any = UniPCMultistepScheduler()
        scheduler.set_timesteps(10, device=device)
        latents = sample
        for timestep in scheduler.timesteps:
            latents = scheduler.step(sample, timestep, latents).prev_sample

    return run


def transformer_layer(device: str) -> Callable[[], object]:
    layer = torch.nn.TransformerEncoderLayer(512, 8, 2048, batch_first=True).to(device)
    x = torch.randn(4, 256, 512).to(device)
    return lambda: layer(x).sum().backward()


def audited(run: Callable[[], object]) -> Callable[[], object]:
    def inside() -> None:
        with audit():
            run()

    return inside


WORKS = {"UniPC, 10 steps": scheduler_loop, "transformer layer, forward and backward": transformer_layer}


def main() -> None:
    if sys.argv[1:] == ["cpu"]:
        print(json.dumps({name: seconds(make("cpu")) for name, make in WORKS.items()}))
        return
    program = [sys.executable, "-m", "tests.audit_counts.cost", "cpu"]
    cpu = json.loads(subprocess.run(program, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    simulated.install()
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {torch.get_num_threads()} threads")
    for name, make in WORKS.items():
        run = make("cuda")
        off, on = seconds(run), seconds(audited(run))
        print(
            f"{name}: CPU {cpu[name] * 1e3:.1f} ms, simulated {off * 1e3:.1f} ms ({off / cpu[name]:.1f} times), "
            f"with an audit {on * 1e3:.1f} ms ({on / cpu[name]:.1f} times)"
        )


if __name__ == "__main__":
    main()
