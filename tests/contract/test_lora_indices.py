"""`lora_indices`: against the reference, and bound against the real function of vLLM releases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.vllm.lora_indices import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.lora_indices import HOOK, inputs
from syncfree.plugins.sync_free.lora_indices import lora_indices

from .support.outcome import same
from .support.vllm_releases import RELEASES, define, form_of, upload

SLOTS = [11, None, 7, 9, 1 << 40]
LORA_IDS = st.lists(st.sampled_from([-3, 0, 7, 9, 11, 1 << 40]), min_size=1, max_size=50).map(tuple)


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def both(release: str) -> tuple[Any, Any]:
    """Upstream's function of one release, and the adapter's replacement."""
    vllm: dict[str, Any] = {"torch": torch, "async_tensor_h2d": upload}
    upstream = define(release, "lora.punica_wrapper.utils", ["convert_mapping"], vllm)["convert_mapping"]
    (compose,) = form_of(BINDING, release).compose or ()
    return upstream, compose(lora_indices, upstream)


def arguments(upstream: Any, mapping: Any, device: str) -> tuple[Any, ...]:
    extra = (256,) if "extra_vocab_size" in upstream.__code__.co_varnames else ()
    return mapping, SLOTS, len(SLOTS), 32_000, *extra, torch.device(device)


@settings(max_examples=300, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    assert same(lora_indices(**call), HOOK.reference(**call))


def test_bound_it_gives_what_upstream_gives(release: str) -> None:
    upstream, bound = both(release)

    @settings(max_examples=300, deadline=None)
    @given(LORA_IDS, LORA_IDS)
    def equal(of_token: tuple[int, ...], of_prompt: tuple[int, ...]) -> None:
        mapping = SimpleNamespace(index_mapping=of_token, prompt_mapping=of_prompt)
        call = arguments(upstream, mapping, "cpu")
        found, expected = bound(*call), upstream(*call)
        assert same(found, expected)
        assert [getattr(tensor, "shape", None) for tensor in found] == [getattr(t, "shape", None) for t in expected]

    equal()


def test_a_device_may_be_a_string_as_with_upstream(release: str) -> None:
    upstream, bound = both(release)
    *call, _ = arguments(upstream, MAPPING, "cpu")
    assert same(bound(*call, "cpu"), upstream(*call, torch.device("cpu")))


@pytest.mark.parametrize("ids", [(5,), (12,), (11, 8)])
def test_an_adapter_that_is_in_no_slot_is_left_to_upstreams_error(release: str, ids: tuple[int, ...]) -> None:
    upstream, bound = both(release)
    for mapping in ({"index_mapping": ids, "prompt_mapping": (0,)}, {"index_mapping": (0,), "prompt_mapping": ids}):
        call = arguments(upstream, SimpleNamespace(**mapping), "cpu")
        assert bound(*call) is NotImplemented
        with pytest.raises((KeyError, ValueError)):
            upstream(*call)


MAPPING = SimpleNamespace(index_mapping=(11, 0, 7, 7), prompt_mapping=(0, 9))


@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait(release: str) -> None:
    upstream, bound = both(release)
    found = bound(*arguments(upstream, MAPPING, "cuda:0"))
    with allow("the results are compared"):
        expected = upstream(*arguments(upstream, MAPPING, "cpu"))
        assert same([tensor.cpu() for tensor in found[:4]], list(expected[:4]))


def test_upstream_waits_for_two_uploads_up_to_0_21(release: str, sync_audit: Report) -> None:
    upstream, _ = both(release)
    upstream(*arguments(upstream, MAPPING, "cuda:0"))
    assert sync_audit.count == (2 if "blocking" in form_of(BINDING, release).why else 0)
