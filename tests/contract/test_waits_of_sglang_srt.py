"""The waits of SGLang's language engine, as docs/sglang-srt.md has them: upstream's functions on the simulated device."""

from __future__ import annotations

import enum
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from packaging.version import Version

from syncfree.audit import Report
from tests.environments import unpacked

from .support import sglang_srt_grammars as grammars
from .support.sglang_sampling import Batch, Request, sampling
from .support.sglang_srt_waits import RELEASES, ROWS
from .support.upstream_source import functions

SIZE, VOCABULARY = 4, 40
Counted = Callable[[], object]
"""What is counted; it is made outside of the count."""


def source(release: str, *places: str) -> Path:
    """Return the first of these files of ``sglang/srt`` that a release has."""
    return next(file for place in places if (file := unpacked("sglang", release) / "sglang/srt" / place).exists())


def new_batch(release: str, *, processors: tuple[str | None, ...] = (None,) * SIZE, **asked: Any) -> Any:
    """Return a batch's sampling information, of the release's class."""
    found = sampling(release)
    server = found["get_server_args"]()
    server.enable_deterministic_inference, server.enable_custom_logit_processor = False, True
    if Version(release) >= Version("0.5.21"):
        functions(source(release, "sampling/sampling_batch_info.py"), ["ProcessorEntry"], found)
    found["CustomLogitProcessor"] = SimpleNamespace(from_str=lambda _: lambda logits, params: logits)
    batch = Batch([Request(**asked)] * SIZE, "cuda")
    batch.reqs = [SimpleNamespace(**vars(one) | {"custom_logit_processor": of}) for one, of in zip(batch.reqs, processors, strict=True)]
    info = found["SamplingBatchInfo"].from_schedule_batch(batch, VOCABULARY)
    info.kept_alive = batch  # its penalizers have weak references
    return info


def parameters(release: str) -> Counted:
    return lambda: new_batch(release)


def biases(release: str) -> Counted:
    return lambda: new_batch(release, logit_bias={"1": 1.0, "2": 1.0, "3": 1.0})


def penalties(release: str) -> Counted:
    alone = sampling(release)

    def prepared() -> None:
        everything = Request(frequency_penalty=0.5, presence_penalty=0.5, repetition_penalty=1.5, min_new_tokens=2)
        batch = Batch([everything] * SIZE, "cuda")
        kinds = {kind for name, kind in alone.items() if name.startswith("Batched") and name.endswith("Penalizer")}
        alone["BatchedPenalizerOrchestrator"](VOCABULARY, batch, kinds)

    return prepared


def min_tokens(release: str) -> Counted:
    info, logits = new_batch(release, min_new_tokens=2), on_cuda(torch.zeros(SIZE, VOCABULARY))
    (penalizer,) = (one for kind, one in info.penalizer_orchestrator.penalizers.items() if "MinNewTokens" in kind.__name__)
    return lambda: penalizer.apply(logits)


ONCE = ("processor", None, "processor", None)


def processors(release: str) -> Counted:
    own = {"torch": torch, "logger": logging.getLogger(__name__)}
    apply = functions(source(release, "layers/sampler.py"), ["apply_custom_logit_processor"], own)["apply_custom_logit_processor"]
    info, logits = new_batch(release, processors=ONCE), on_cuda(torch.zeros(SIZE, VOCABULARY))
    return lambda: apply(logits, info)


def processors_left(release: str) -> Counted:
    info, keep = new_batch(release, processors=ONCE), on_cuda(torch.tensor([0, 1]))
    return lambda: info.filter_batch([0, 1], keep)


LOGPROBS = ("layers/logprob_processor.py", "layers/utils/logprob.py")


def logprob_functions(release: str, *names: str) -> dict[str, Any]:
    return functions(
        source(release, *LOGPROBS),
        ["LogprobStage", *names],
        {"torch": torch, "Enum": enum.Enum, "auto": enum.auto, "is_pin_memory_available": lambda *_: True},
    )


def scoring(release: str) -> Counted:
    name = "get_token_ids_logprobs_batch_optimized"
    found = functions(source(release, LOGPROBS[0], "layers/sampler.py"), [name], {"torch": torch})
    logprobs = on_cuda(torch.zeros(SIZE, VOCABULARY))
    return lambda: found[name](logprobs, [[1, 3], [2], None, [0, 2, 4]])


def top_logprobs(release: str) -> Counted:
    found = logprob_functions(release, "get_top_logprobs", "get_top_logprobs_raw")
    logprobs, on_device = on_cuda(torch.zeros(SIZE, VOCABULARY)), () if release == "0.5.9" else (True,)
    return lambda: found["get_top_logprobs"](logprobs, [2] * SIZE, *on_device)


def prompt_tokens(release: str) -> Counted:
    """As the logits processor calls it for a whole batch; it wants lists up to 0.5.15, and tensors in 0.5.20."""
    logprobs, raw, asked = on_cuda(torch.zeros(SIZE, VOCABULARY)), "get_token_ids_logprobs_raw", [[1, 2]] * SIZE
    if Version(release) <= Version("0.5.15"):
        name = "get_token_ids_logprobs_prefill"
        found = logprob_functions(release, raw, name)
        metadata = SimpleNamespace(token_ids_logprobs=asked, extend_logprob_pruned_lens_cpu=[1] * SIZE)
        return lambda: found[name](logprobs, metadata)
    found = logprob_functions(release, raw)
    return lambda: found[raw](logprobs, asked, found["LogprobStage"].PREFILL, [1] * SIZE, no_copy_to_cpu=True)


def grammar_mask(backend: str, release: str) -> Counted:
    info, logits = new_batch(release), on_cuda(torch.zeros(SIZE, VOCABULARY))
    info.update_regex_vocab_mask.__globals__.update(grammars.shared(release))
    info.grammars = [grammars.grammar(backend, release), None, *(grammars.grammar(backend, release) for _ in range(2))]

    def step() -> None:
        info.update_regex_vocab_mask()
        info.apply_logits_bias(logits)

    return step


def future_tokens(release: str) -> Counted:
    """The next step's tokens, which the host never sees: stored by one step and resolved by the next."""
    file, tokens = source(release, "managers/overlap_utils.py"), on_cuda(torch.arange(SIZE))
    plain = SimpleNamespace(is_none=lambda: True, is_ngram=lambda: False, is_some=lambda: False)
    if Version(release) < Version("0.5.15"):
        own = {"torch": torch, "dataclass": dataclass, "_is_npu": True, "get_compiler_backend": lambda: "eager"}
        found = functions(file, ["_resolve_future_token_ids", "FutureIndices", "FutureMap"], own)
        relay = found["FutureMap"](8, 16, 64, torch.device("cuda"), plain)

        def step() -> None:
            places = relay.alloc_future_indices(SIZE)
            relay.store_to_map(places, SimpleNamespace(next_token_ids=tokens))
            relay.resolve_future(SimpleNamespace(input_ids=-places.indices))

        return step
    found = functions(file, ["FutureMap", "resolve_forward_inputs"], {"torch": torch, "_DEBUG_ASSERT": False})
    relay = object.__new__(found["FutureMap"])
    vars(relay).update(spec_algo=plain, output_tokens_buf=on_cuda(torch.zeros(9, dtype=torch.int64)), _relay=None)
    vars(relay).update(need_topk=False, need_hidden_states=False, draft_probs_buf=None, dsa_topk_indices_buf=None)
    vars(relay).update(_forward_buf_initialized=True, _maybe_init_forward_bufs=lambda _: None)
    batch = SimpleNamespace(prefill_input_ids_cpu=None, input_ids=None, req_pool_indices=tokens, enable_overlap=True, spec_algorithm=plain)

    def step() -> None:
        relay.stash(tokens, SimpleNamespace(bonus_tokens=tokens, dsa_topk_indices=None))
        found["resolve_forward_inputs"](batch, relay)

    return step


def on_cuda(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to("cuda")


COUNTERS: dict[str, Callable[[str], Counted]] = {
    **{one.__name__: one for one in (parameters, biases, penalties, min_tokens, processors, processors_left, scoring)},
    **{one.__name__: one for one in (top_logprobs, prompt_tokens, future_tokens)},
    **{backend: (lambda release, backend=backend: grammar_mask(backend, release)) for backend in grammars.BACKENDS},
}
CASES = [
    pytest.param(row.name, release, waits, staged, id=f"{row.name}-{release}")
    for row in ROWS
    for release, waits, staged in zip(RELEASES, row.waits, row.staged, strict=True)
    if waits is not None
]


def test_every_row_is_counted() -> None:
    assert [row.name for row in ROWS if row.name not in COUNTERS] == []


@pytest.mark.parametrize(("name", "release", "waits", "staged"), CASES)
def test_upstream_waits_as_often_as_the_table_says(
    name: str, release: str, waits: int, staged: int, sync_audit: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sglang.srt.managers.schedule_batch", SimpleNamespace(ScheduleBatch=Batch))
    counted = COUNTERS[name](release)
    before = sync_audit.count, len(sync_audit.soft)
    counted()
    assert (sync_audit.count - before[0], len(sync_audit.soft) - before[1]) == (waits, staged)
