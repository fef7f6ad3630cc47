"""vLLM's V1 sampler functions, one call per step, for four requests.

Run with TORCH_COMPILE_DISABLE=1: Inductor has no code generator for the simulated device. Pinned memory is what vLLM has on
a GPU, although the package that runs here is built for CPUs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch

from syncfree.audit import Report, audit, step

from .measure import Case, main

STEPS = 5
_REQUESTS, _VOCABULARY = 4, 128


def cases() -> Iterator[Case]:
    import vllm.platforms

    type(vllm.platforms.current_platform).is_pin_memory_available = classmethod(lambda cls: True)
    from vllm.v1.sample import sampler  # noqa: F401  (its module is loaded before the hooks are)

    for name, prepare in (
        ("gather_specific_token_logprobs", _gather),
        ("apply_bad_words", _bad_words),
        ("apply_all_penalties", _penalties),
        ("MinPLogitsProcessor, requests change", partial(_min_p, changing=True)),
        ("MinPLogitsProcessor, steady", partial(_min_p, changing=False)),
        ("apply_top_k_top_p, top-k and top-p", partial(_top_k_top_p, k=True, p=True)),
        ("apply_top_k_top_p, top-k", partial(_top_k_top_p, k=True, p=False)),
        ("apply_top_k_top_p, top-p", partial(_top_k_top_p, k=False, p=True)),
    ):
        yield name, partial(_run, prepare)


def _run(make: Callable[[], Callable[[], Any]]) -> tuple[Report, Report]:
    torch.manual_seed(0)
    with audit() as prepare:
        call = make()
    with audit() as report:
        for _ in range(STEPS):
            step()
            call()
    return prepare, report


def _logits() -> torch.Tensor:
    return torch.randn(_REQUESTS, _VOCABULARY, device="cuda")


def _gather() -> Callable[[], Any]:
    from vllm.v1.sample.sampler import Sampler

    token_ids = {index: list(range(index + 1)) for index in range(_REQUESTS)}
    sampled = torch.zeros(_REQUESTS, dtype=torch.int64, device="cuda")
    self, scores = SimpleNamespace(pin_memory=True), _logits()
    return lambda: Sampler.gather_specific_token_logprobs(self, scores, token_ids, sampled)


def _bad_words() -> Callable[[], Any]:
    from vllm.v1.sample.ops.bad_words import apply_bad_words

    words = {index: [[5], [1, 2], [7, 8, 9]] for index in range(_REQUESTS)}
    past, logits = [[3, 7, 8, 1]] * _REQUESTS, _logits()
    return lambda: apply_bad_words(logits, words, past)


def _penalties() -> Callable[[], Any]:
    from vllm import _custom_ops
    from vllm.v1.sample.ops.penalties import apply_all_penalties

    # The CUDA kernel is not in a CPU build; vLLM's own PyTorch form of it waits for nothing either.
    _custom_ops.apply_repetition_penalties = _custom_ops.apply_repetition_penalties_torch
    prompts = torch.randint(0, _VOCABULARY, (_REQUESTS, 16), device="cuda")
    penalties = [torch.full((_REQUESTS,), value, device="cuda") for value in (0.5, 0.5, 1.1)]
    outputs = [list(range(index + 3)) for index in range(_REQUESTS)]
    logits = _logits()
    return lambda: apply_all_penalties(logits, prompts, *penalties, outputs)


def _min_p(changing: bool) -> Callable[[], Any]:
    from vllm.sampling_params import SamplingParams
    from vllm.v1.sample.logits_processor import BatchUpdate
    from vllm.v1.sample.logits_processor.builtin import MinPLogitsProcessor

    config: Any = SimpleNamespace(scheduler_config=SimpleNamespace(max_num_seqs=_REQUESTS))
    processor = MinPLogitsProcessor(config, torch.device("cuda"), True)
    logits, calls = _logits(), iter(range(1, STEPS + 2))

    def call() -> None:
        number = next(calls)
        if changing or number == 1:
            added = [(index, SamplingParams(min_p=number / 100), [], []) for index in range(_REQUESTS)]
            processor.update_state(BatchUpdate(batch_size=_REQUESTS, removed=[], added=added, moved=[]))
        processor.apply(logits)

    if not changing:
        call()
    return call


def _top_k_top_p(k: bool, p: bool) -> Callable[[], Any]:
    from vllm.v1.sample.ops.topk_topp_sampler import apply_top_k_top_p_pytorch

    top_k = torch.full((_REQUESTS,), 10, device="cuda") if k else None
    top_p = torch.full((_REQUESTS,), 0.9, device="cuda") if p else None
    logits = _logits()
    return lambda: apply_top_k_top_p_pytorch(logits, top_k, top_p)


if __name__ == "__main__":
    main("vllm", cases)
