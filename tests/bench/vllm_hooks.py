"""vLLM's own functions beside ours, in one run: ``make bench-vllm-hooks``.

The hooks are bound in vLLM 0.32.0 as `syncfree.load` does it, and switched between blocks of calls, so that what a bound
call itself costs is in our figures. Times are the process's own, without what others did on the machine. The device is the
CPU: where vLLM uploads, either side copies in host memory, and what either side computes on the device is host time here.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median
from types import SimpleNamespace
from typing import Any

os.environ["TORCH_COMPILE_DISABLE"] = "1"  # what vLLM compiles is the same on both sides

import torch

import syncfree
from syncfree._ab import Comparison

REQUESTS = 256
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Case:
    """A call to measure.

    Attributes:
        hooks: what is switched.
        name: one line for the table.
        goal: upstream's time over ours that is to be reached.
        call: measured.
        prepare: changes the arguments before each call; not measured.
        calls: in one block.
    """

    hooks: tuple[str, ...]
    name: str
    goal: float
    call: Callable[[], Any]
    prepare: Callable[[], Any] = lambda: None
    calls: int = 8


def gather() -> Iterator[Case]:
    """A small vocabulary, because the gather itself is the device's work."""
    from vllm.v1.sample.sampler import Sampler

    asked = {row: random.sample(range(128), 20) for row in range(REQUESTS)}
    sampled = torch.zeros(REQUESTS, dtype=torch.int64)
    sampler: Any = SimpleNamespace(pin_memory=False)
    logprobs = torch.randn(REQUESTS, 128).log_softmax(-1)

    def call() -> None:
        Sampler.gather_specific_token_logprobs(sampler, logprobs, asked, sampled)

    yield Case(("sampler_logprob_gather",), "20 token ids each", 5, call)


def penalties() -> Iterator[Case]:
    """Lists of about 1000 tokens, which a step changes as vLLM does."""
    from vllm.v1.sample.ops import penalties as of_vllm

    vocabulary = 128_000

    def tokens(count: int) -> list[int]:
        return random.choices(range(vocabulary), k=count)

    def step(lists: list[list[int]]) -> None:
        of_vllm._convert_to_tensors(lists, vocabulary, CPU)

    for name, goal, change in (
        ("1000 tokens, one more in each step", 10.0, _grow),
        ("the same, and a request leaves and one joins", 1.0, _leave_and_join),
        ("the same, and three drafts are replaced", 1.0, _replace),
    ):
        lists = [tokens(1000) for _ in range(REQUESTS)]
        yield Case(("output_token_matrix",), name, goal, partial(step, lists), partial(change, lists, tokens))


def _grow(lists: list[list[int]], tokens: Callable[[int], list[int]]) -> None:
    for one in lists:
        one += tokens(1)


def _leave_and_join(lists: list[list[int]], tokens: Callable[[int], list[int]]) -> None:
    _grow(lists, tokens)
    lists[random.randrange(REQUESTS - 1)] = lists.pop()
    lists.append(tokens(1))


def _replace(lists: list[list[int]], tokens: Callable[[int], list[int]]) -> None:
    for one in lists:
        one[-3:] = tokens(4)


def lora() -> Iterator[Case]:
    """A batch in which every request generates one token, with eight adapters, that changes in every step."""
    from vllm.lora.layers import LoRAMapping
    from vllm.lora.ops.triton_ops.lora_kernel_metadata import LoRAKernelMeta
    from vllm.lora.punica_wrapper import punica_gpu

    punica_gpu.LoRAKernelMeta = LoRAKernelMeta  # without Triton the module leaves it out; it needs none
    adapters = 8
    config = SimpleNamespace(max_loras=adapters, specialize_active_lora=False)
    wrapper = punica_gpu.PunicaWrapperGPU(8192, REQUESTS, CPU, lora_config=config)
    slots: list[int | None] = list(range(1, adapters + 1))
    mapping: Any = None

    def change(tokens: int) -> None:
        nonlocal mapping
        of_request = tuple(random.choices(range(adapters + 1), k=REQUESTS))
        of_token = tuple(adapter for adapter in of_request for _ in range(tokens))
        mapping = LoRAMapping(of_token, of_request, is_prefill=tokens > 1)

    def call() -> None:
        wrapper.update_metadata(mapping, slots, adapters, 32_000)

    for name, tokens in (("one token each", 1), ("16 tokens each, a prefill", 16)):
        yield Case(("lora_mapping", "lora_indices"), name, 1, call, partial(change, tokens))


def staged_writes() -> Iterator[Case]:
    """A sampler of Model Runner V2, with its buffers as vLLM's CPU worker has them, in steps that add no request."""
    import vllm.v1.worker.cpu.shm  # noqa: F401  (the stand-ins of the CPU worker for memory that a GPU reads)
    from vllm.v1.worker.gpu.sample.sampler import Sampler
    from vllm.v1.worker.gpu.states import RequestState

    states = RequestState(REQUESTS, 64, 1024, 1, 128, CPU)
    config: Any = SimpleNamespace(reasoning_config=None)
    sampler = Sampler(config, REQUESTS, 128, CPU, states)
    yield Case(("sampler_staged_writes",), "nothing was staged", 10, sampler.apply_staged_writes, calls=200)


def measure(case: Case, pairs: int) -> Comparison:
    """Blocks of both choices in turn; only `Case.call` is timed."""
    spent = 0.0

    def run() -> None:
        nonlocal spent
        for _ in range(case.calls):
            case.prepare()
            start = time.process_time()
            case.call()
            spent += time.process_time() - start

    return syncfree.compare(run, b="sync_free", hooks=case.hooks, pairs=pairs, clock=lambda: spent / case.calls)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    syncfree.load("vllm")
    from vllm import __version__

    print(f"vLLM {__version__}, torch {torch.__version__}, Python {platform.python_version()}, {REQUESTS} requests")
    print(f"{options.pairs} pairs of blocks; median us per call, ratio with its 95 % interval")
    print(f"{'hook':24}{'':46}{'vLLM':>9}{'ours':>9}{'ratio':>8}{'low':>8}{'high':>8}{'goal':>6}")
    for cases in (gather, penalties, lora, staged_writes):
        for case in cases():
            found = measure(case, options.pairs)
            theirs, ours = (median(times) * 1e6 for times in (found.seconds_a, found.seconds_b))
            met = "met" if found.ratio >= case.goal else "missed"
            print(
                f"{case.hooks[0]:24}{case.name:46}{theirs:9.1f}{ours:9.1f}{found.ratio:8.2f}{found.low:8.2f}{found.high:8.2f}"
                f"{case.goal:6g} {met}",
                flush=True,
            )


if __name__ == "__main__":
    main()
