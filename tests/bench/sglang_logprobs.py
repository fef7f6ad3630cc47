"""Host time of the functions of SGLang's language engine that read the logprobs of named tokens: ``make bench-sglang-logprobs``.

Each function runs in its own module of a real release, bound as the adapter binds it and switched between blocks of calls,
with 1 to 256 requests. Times are the process's own. The device is the CPU, so an upload is a copy in host memory and costs no
wait: a ratio here is of host work alone.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import torch

import syncfree
from tests.contract.support.sglang_language_engine import load_alone

SCORING, DECODING = "get_token_ids_logprobs_batch_optimized", "get_token_ids_logprobs"
CASES = (
    ("0.5.9", "sglang.srt.layers.sampler", SCORING, ()),
    ("0.5.9", "sglang.srt.layers.utils.logprob", DECODING, ()),
    ("0.5.20", "sglang.srt.layers.logprob_processor", SCORING, ()),
    ("0.5.20", "sglang.srt.layers.logprob_processor", DECODING, (True,)),
    ("0.5.23", "sglang.srt.layers.logprob_processor", DECODING, (True,)),
)
"""Release, module, function, and what follows its two arguments in the engine's own calls."""
SIZES = (1, 4, 16, 64, 256)
TOKENS = 20
ROOT = Path(__file__).parents[2]


def measure(case: int, pairs: int) -> None:
    """Print one case, in a process whose path has the release."""
    release, module, name, more = CASES[case]
    loaded = load_alone(module)
    torch.set_num_threads(1)
    random.seed(0)
    for requests in SIZES:
        logprobs = torch.randn(requests, 128).log_softmax(-1)
        named = [random.sample(range(128), TOKENS) for _ in range(requests)]
        calls = max(8, 512 // requests)

        def run(logprobs: torch.Tensor = logprobs, named: list[list[int]] = named, calls: int = calls) -> None:
            for _ in range(calls):
                getattr(loaded, name)(logprobs, named, *more)

        found = syncfree.compare(
            run, b="sync_free", hooks=("sampler_logprob_gather",), pairs=pairs, clock=time.process_time
        )
        theirs, ours = (median(times) / calls * 1e6 for times in (found.seconds_a, found.seconds_b))
        print(
            f"{release:8}{name:42}{requests:9}{theirs:9.1f}{ours:9.1f}{found.ratio:8.2f}{found.low:8.2f}{found.high:8.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--case", type=int, help="one of them, in this process")
    options = parser.parse_args()
    if options.case is not None:
        measure(options.case, options.pairs)
        return
    from tests.environments import unpacked

    print(f"torch {torch.__version__}, Python {platform.python_version()}, {TOKENS} token ids per request, 1 thread")
    print(f"{options.pairs} pairs of blocks; median us per call, ratio with its 95 % interval")
    print(f"{'release':8}{'function':42}{'requests':>9}{'SGLang':>9}{'ours':>9}{'ratio':>8}{'low':>8}{'high':>8}", flush=True)
    for case, (release, *_) in enumerate(CASES):
        path = os.pathsep.join(map(str, (ROOT, unpacked("sglang", release))))
        command = [sys.executable, "-m", "tests.bench.sglang_logprobs", "--case", str(case), "--pairs", str(options.pairs)]
        subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": path})


if __name__ == "__main__":
    main()
