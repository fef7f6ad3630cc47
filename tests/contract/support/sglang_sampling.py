"""SGLang's own preparation of a batch's sampling parameters and penalties, taken out of a release, beside stand-ins of requests."""

from __future__ import annotations

import abc
import dataclasses
import weakref
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from packaging.version import Version

from tests.environments import unpacked

from .upstream_source import functions

SAMPLING = "sglang/srt/sampling"
KINDS = {
    "frequency_penalty": "BatchedFrequencyPenalizer",
    "presence_penalty": "BatchedPresencePenalizer",
    "repetition_penalty": "BatchedRepetitionPenalizer",
    "min_new_tokens": "BatchedMinNewTokensPenalizer",
}
"""Penalties by the file that each has."""


@dataclasses.dataclass
class Request:
    """The options of a request to the sampler."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 20
    min_p: float = 0.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0
    min_new_tokens: int = 0
    stop_token_ids: frozenset[int] = frozenset({1})
    logit_bias: Mapping[str, float] | None = None
    sampling_seed: int | None = None

    def in_engine(self) -> SimpleNamespace:
        """The request as SGLang's scheduler has it."""
        parameters = SimpleNamespace(**dataclasses.asdict(self), custom_params=None)
        parameters.stop_token_ids = set(self.stop_token_ids)
        return SimpleNamespace(
            sampling_params=parameters,
            custom_logit_processor=None,
            return_sampling_mask=False,
            eos_token_ids={2},
            tokenizer=SimpleNamespace(additional_stop_token_ids=None, eos_token_id=0),
        )


class Batch:
    """A batch of the scheduler; SGLang keeps weak references to it."""

    def __init__(self, requests: list[Request], device: str) -> None:
        self.reqs = [one.in_engine() for one in requests]
        self.device = device


class _Features:
    """The options that a server may be started with; only deterministic sampling is."""

    enable_deterministic_inference = True

    def __getattr__(self, name: str) -> Any:
        return False if name.startswith("enable_") else self


def sampling(release: str) -> dict[str, Any]:
    """Define the classes of one release: ``SamplingBatchInfo``, the penalizers and what they share."""
    folder = unpacked("sglang", release) / SAMPLING
    arguments = _Features()
    penalizers: dict[str, Any] = {
        "torch": torch,
        "abc": abc,
        "weakref": weakref,
        "is_pin_memory_available": lambda device: device == "cuda",
    }
    shared = ("BatchedPenalizerOrchestrator", "_BatchedPenalizer")
    functions(folder / "penaltylib/orchestrator.py", shared, penalizers)
    for file, name in KINDS.items():
        if (folder / f"penaltylib/{file}.py").exists():  # 0.5.9 has no repetition penalty here
            functions(folder / f"penaltylib/{file}.py", [name], penalizers)
    namespace = {
        **penalizers,
        "dataclasses": dataclasses,
        "penaltylib": SimpleNamespace(**penalizers),
        "TOP_K_ALL": 1 << 30,
        "get_global_server_args": lambda: arguments,
        "get_server_args": lambda: arguments,
        "get_exec": lambda: arguments,
    }
    file = folder / "sampling_batch_info.py"
    helpers = ["_rows_to_device_indices"] if Version(release) >= Version("0.5.21") else []
    return functions(file, ["SamplingBatchInfo", "merge_bias_tensor", *helpers], namespace)


def state(owner: Any) -> dict[str, Any]:
    """All that a batch or a penalizer holds, and for a batch what its penalizers do; tensors as they are."""
    held = {name: value for name, value in vars(owner).items() if not isinstance(value, (weakref.ref, Callable))}
    orchestrator = held.pop("penalizer_orchestrator", None)
    if orchestrator is not None:
        held |= {kind.__name__: state(one) for kind, one in orchestrator.penalizers.items()}
        held["is_required"] = orchestrator.is_required
    return held
