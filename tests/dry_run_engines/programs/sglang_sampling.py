"""Sample with what requests ask of SGLang's language engine. Usage: sglang_sampling.py CASE=HOOK..."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from measuring import Measurement, about

from tests.contract.support.sglang_language_engine import load_alone
from tests.contract.support.sglang_sampling import Batch, Request, state

REQUESTS, VOCABULARY = 4, 8
BATCH, SAMPLER = "sglang.srt.sampling.sampling_batch_info", "sglang.srt.layers.sampler"
LEAST = Request(min_new_tokens=2)


class Adding:
    """A user's processor of logits."""

    def __call__(self, logits: torch.Tensor, params: list[Any]) -> torch.Tensor:
        return logits.add_(float(len(params)))


class Engine:
    """What makes and applies the sampling information of a batch, in its own modules, bound by our adapter."""

    def __init__(self) -> None:
        self.batches = load_alone(BATCH, package="sglang.srt.sampling.penaltylib")
        server = SimpleNamespace(enable_deterministic_inference=False, enable_custom_logit_processor=True)
        server.deterministic = server.features = server
        for name in ("get_global_server_args", "get_server_args", "get_exec"):
            setattr(self.batches, name, lambda: server)
        self.batches.CustomLogitProcessor = SimpleNamespace(from_str=lambda _: Adding())  # type: ignore[attr-defined]
        self.kept: list[Batch] = []

    def batch(self, *requests: Request, processor: str | None = None) -> Any:
        batch = Batch(list(requests), "cuda")
        for number, request in enumerate(batch.reqs):
            request.custom_logit_processor = processor if number % 2 else None
        self.kept.append(batch)
        return self.batches.SamplingBatchInfo.from_schedule_batch(batch, VOCABULARY)

    def biases(self) -> Callable[[], Any]:
        asked = [Request(logit_bias={"1": 1.5, "2": -1.0, "5": float("-inf")})] * REQUESTS
        return lambda: self.batch(*asked).logit_bias

    def penalties(self) -> Callable[[], Any]:
        asked = [Request(frequency_penalty=0.5, presence_penalty=0.25, repetition_penalty=1.5, min_new_tokens=2)] * REQUESTS

        def prepared() -> Any:
            held = state(self.batch(*asked))
            kinds = (kind for _, kind in sorted(held.items()) if isinstance(kind, dict))  # upstream has them in a set
            return [value for kind in kinds for _, value in sorted(kind.items())]

        return prepared

    def min_tokens(self) -> Callable[[], Any]:
        info = self.batch(LEAST, LEAST, Request(), Request())
        penalizers = info.penalizer_orchestrator.penalizers
        (penalizer,) = (one for kind, one in penalizers.items() if "MinNewTokens" in kind.__name__)
        logits = torch.ones(REQUESTS, VOCABULARY).to("cuda")

        def applied() -> Any:
            penalizer.apply(logits)
            return logits

        return applied

    def processors(self) -> Callable[[], Any]:
        sampler: ModuleType = importlib.import_module(SAMPLER)
        info = self.batch(*[Request()] * REQUESTS, processor="adding")
        logits = torch.ones(REQUESTS, VOCABULARY).to("cuda")
        sampler.apply_custom_logit_processor(logits, info)  # the first step of the batch

        def applied() -> Any:
            sampler.apply_custom_logit_processor(logits, info)
            return logits

        return applied


def on_host(value: Any) -> Any:
    """Return values that JSON can hold; tensors as lists."""
    if isinstance(value, list):
        return [on_host(one) for one in value if isinstance(one, torch.Tensor)]
    return value.tolist()


def main(*asked: str) -> None:
    engine, cases = Engine(), {}
    for name, _, hook in (one.partition("=") for one in asked):
        called = getattr(engine, name)()
        measurement = Measurement(hook)
        with measurement.step():
            result = called()
        cases[name] = {**measurement.told(), "steps": 1, "generated": on_host(result)}
    Path(os.environ["RESULT"]).write_text(json.dumps({"about": {**about(), "start_seconds": 0.0}, "cases": cases}))


if __name__ == "__main__":
    main(*sys.argv[1:])
