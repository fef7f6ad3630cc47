"""Tokens per second of a tiny Llama in a vLLM engine with our hooks and without, in one run: ``make bench-vllm``.

*Without*: `syncfree.restore` has put every original back in the worker. *With*: `syncfree.load` has bound them again, as the
environment and the defaults choose. Both alternate between batches of one engine, on the same requests.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time
from typing import Any

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"

from vllm import LLM, SamplingParams
from vllm import __version__ as vllm_version

import syncfree
from syncfree._ab import Comparison, summarize
from tests.models import tiny_model

WORK: dict[str, dict[str, Any]] = {
    "plain": {},
    "20 logprob_token_ids": {"logprob_token_ids": list(range(20, 40))},
    "20 bad words": {"bad_words": [chr(ord("a") + index) for index in range(20)]},
    "penalties": {"repetition_penalty": 1.2, "presence_penalty": 0.3, "frequency_penalty": 0.3},
}
"""The options of each request besides greedy tokens."""


def engine(requests: int, tokens: int) -> LLM:
    return LLM(
        str(tiny_model("llama")),
        dtype="float32",
        enforce_eager=True,
        max_model_len=tokens + 32,
        kv_cache_memory_bytes=256 << 20,
        max_num_seqs=requests,
        seed=0,
        distributed_executor_backend="uni",
        worker_extension_cls="tests.bench.vllm_worker.Binder",
    )


def measure(
    llm: LLM, asked: dict[str, Any], requests: int, tokens: int, pairs: int, clock: Callable[[], float]
) -> Comparison:
    """Alternate batches without and with; every batch must give the same tokens."""
    sampling = SamplingParams(temperature=0, max_tokens=tokens, ignore_eos=True, **asked)
    prompts = [f"hello world {index}" for index in range(requests)]
    expected: list[list[int]] = []

    def batch(bound: bool) -> float:
        if bound:
            llm.collective_rpc("bind")
        else:
            (left,) = llm.collective_rpc("take_out")
            assert not left, left
        start = clock()
        outputs = llm.generate(prompts, sampling, use_tqdm=False)
        seconds = clock() - start
        generated = [list(output.outputs[0].token_ids) for output in outputs]
        expected[:] = expected or generated
        assert generated == expected, "other tokens with our hooks than without"
        return seconds

    batch(False)
    batch(True)
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for pair in range(pairs):
        for bound in (False, True) if pair % 2 == 0 else (True, False):
            seconds[bound].append(batch(bound))
    return summarize("without", "with", seconds[False], seconds[True])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--only", choices=list(WORK), help="one kind of request")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="of this process; before 0.28 the worker is another"
    )
    options = parser.parse_args()
    clock = perf_counter if options.clock == "wall" else process_time
    llm = engine(options.requests, options.tokens)
    print(f"vLLM {vllm_version}, syncfree {syncfree.__version__}, Python {platform.python_version()}, {os.cpu_count()} CPUs")
    (bound,) = llm.collective_rpc("bind")
    print(f"bound: {', '.join(bound) or 'nothing'}")
    print(
        f"{options.requests} requests x {options.tokens} tokens, {options.pairs} pairs of batches, {options.clock} seconds"
    )
    print(f"{'requests ask for':<22}{'without':>12}{'with':>12}   with / without (95 % interval)")
    for name, asked in WORK.items():
        if options.only not in (None, name):
            continue
        found = measure(llm, asked, options.requests, options.tokens, options.pairs, clock)
        a, b = (options.requests * options.tokens / median(seconds) for seconds in (found.seconds_a, found.seconds_b))
        print(f"{name:<22}{a:>8.0f} t/s{b:>8.0f} t/s   {found.ratio:.3f} ({found.low:.3f} to {found.high:.3f})", flush=True)


if __name__ == "__main__":
    main()
