"""`lora_mapping`: against the reference, and bound against the real classes of vLLM releases."""

from __future__ import annotations

import bisect
import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.vllm.lora_mapping import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.lora_mapping import HOOK, inputs
from syncfree.plugins.sync_free.lora_mapping import lora_mapping

from .support.outcome import outcome, same
from .support.vllm_releases import RELEASES, define, form_of, upload

SLOTS = [11, None, 7, 9]
"""Adapter 11 is in slot 0, 7 in slot 2, 9 in slot 3; slot 1 is free."""
TOKENS, VOCABULARY = 64, 100
METADATA = ("token_mapping_meta", "prompt_mapping_meta")


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclasses.dataclass(frozen=True)
class Wrapper:
    """The real metadata classes and methods of one release, with upstream's `update_metadata` and ours."""

    vllm: dict[str, Any]
    update: dict[str, Any]

    def new(self, device: str, captured: list[int]) -> Any:
        """Return what PunicaWrapperGPU keeps."""
        indices = ("_token_lora_indices", "_sampler_indices", "_sampler_indices_padded")
        state = {name: torch.full((TOKENS,), 5, device=device) for name in indices}
        made = SimpleNamespace(**state, device=torch.device(device), indices_len=[None] * 5)
        made._embeddings_indices = torch.full((2, TOKENS) if self._two_rows() else (TOKENS,), 5, device=device)
        for name in METADATA:
            meta = self.vllm["LoRAKernelMeta"].make(len(SLOTS), TOKENS, device, captured)
            for field in ("token_lora_mapping", "token_indices_sorted_by_lora_ids"):
                getattr(meta, field).fill_(77)
            setattr(made, name, meta)
        kind = type("PunicaWrapper", (), {name: self.vllm[name] for name in ("token_lora_indices", "sampler_indices")})
        kind._update_base_metadata = self.vllm["_update_base_metadata"]
        wrapper = kind()
        wrapper.__dict__.update(vars(made))
        return wrapper

    def _two_rows(self) -> bool:
        return "extra_vocab_size" in self.vllm["convert_mapping"].__code__.co_varnames


def wrapper(release: str) -> Wrapper:
    vllm: dict[str, Any] = {"torch": torch, "bisect": bisect, "dataclass": dataclasses.dataclass, "field": dataclasses.field}
    vllm |= {"async_tensor_h2d": upload, "gpu_sync_allowed": nullcontext, "property": property}
    define(release, "lora.ops.triton_ops.lora_kernel_metadata", ["LoRAKernelMeta"], vllm)
    define(release, "lora.punica_wrapper.utils", ["convert_mapping"], vllm)
    base = ["_update_base_metadata", "token_lora_indices", "sampler_indices"]
    define(release, "lora.punica_wrapper.punica_base", [f"PunicaWrapperBase.{name}" for name in base], vllm)
    name = "update_metadata"
    upstream = define(release, "lora.punica_wrapper.punica_gpu", [f"PunicaWrapperGPU.{name}"], vllm)[name]
    (compose,) = form_of(BINDING, release).compose or ()
    return Wrapper(vllm, {"upstream": upstream, "ours": compose(lora_mapping, upstream)})


def state(made: Any) -> dict[str, Any]:
    kept = {name: value for name, value in vars(made).items() if name not in METADATA}
    return {**kept, **{name: dataclasses.asdict(getattr(made, name)) for name in METADATA}}


LORA_ID = st.sampled_from([0, 7, 9, 11])
LORA_IDS = st.lists(LORA_ID, min_size=1, max_size=TOKENS) | st.lists(st.just(0), min_size=1, max_size=9)
MAPPINGS = st.builds(
    SimpleNamespace, index_mapping=LORA_IDS.map(tuple), prompt_mapping=LORA_IDS.map(tuple), is_prefill=st.booleans()
) | LORA_IDS.map(lambda ids: SimpleNamespace(index_mapping=tuple(ids), prompt_mapping=tuple(ids), is_prefill=False))


@settings(max_examples=500, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    call["tensors"] = dataclasses.asdict(call["tensors"])

    def run(function: Any) -> Any:
        def with_record(adapter_of_token: list[int], tensors: dict[str, torch.Tensor]) -> int:
            from syncfree.hooks.lora_mapping import LoRATensors

            return int(function(adapter_of_token, LoRATensors(**tensors)))

        return outcome(with_record, call)

    assert same(run(lora_mapping), run(HOOK.reference))


def test_bound_it_leaves_the_same_state_as_upstream_over_many_steps(release: str) -> None:
    """Over thousands of generated batches, all releases together."""
    of_release = wrapper(release)
    compared = 0

    @settings(max_examples=200, deadline=None)
    @given(st.lists(MAPPINGS, min_size=1, max_size=6), st.sampled_from([[], [1, 2], [2, 5]]))
    def equal(steps: list[Any], captured: list[int]) -> None:
        nonlocal compared
        theirs, ours = of_release.new("cpu", captured), of_release.new("cpu", captured)
        for mapping in steps:
            assert of_release.update["ours"](ours, mapping, SLOTS, 4, VOCABULARY) is None
            of_release.update["upstream"](theirs, mapping, SLOTS, 4, VOCABULARY)
            assert same(state(ours), state(theirs))
            compared += 1

    equal()
    assert compared > 300


def steps() -> list[Any]:
    one = SimpleNamespace(index_mapping=(11, 11, 0, 7), prompt_mapping=(11, 0, 7), is_prefill=True)
    none = SimpleNamespace(index_mapping=(0, 0), prompt_mapping=(0, 0), is_prefill=False)
    same = SimpleNamespace(index_mapping=(7, 0, 9), prompt_mapping=(7, 0, 9), is_prefill=False)
    return [one, none, same]


@pytest.mark.parametrize("release", ["0.22.0", "0.32.0"])
@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait(release: str) -> None:
    of_release = wrapper(release)
    with allow("made outside of the call"):
        ours, theirs = of_release.new("cuda", []), of_release.new("cpu", [])
    for mapping in steps():
        of_release.update["ours"](ours, mapping, SLOTS, 4, VOCABULARY)
        with allow("the state is compared"):
            of_release.update["upstream"](theirs, mapping, SLOTS, 4, VOCABULARY)
            for name in METADATA:
                for key, value in dataclasses.asdict(getattr(ours, name)).items():
                    other = getattr(getattr(theirs, name), key)
                    assert same(value.cpu() if isinstance(value, torch.Tensor) else value, other), key


@pytest.mark.parametrize("release", RELEASES)
def test_upstream_waits_at_every_change(release: str, sync_audit: Report) -> None:
    of_release = wrapper(release)
    with allow("made outside of the call"):
        theirs = of_release.new("cuda", [])
    of_release.update["upstream"](theirs, steps()[0], SLOTS, 4, VOCABULARY)
    assert sync_audit.count >= 6
