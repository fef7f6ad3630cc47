"""`conv_metadata`: against the reference, and bound against the real `causal_conv1d_fn` of vLLM releases."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.vllm.conv_metadata import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.conv_metadata import HOOK, inputs
from syncfree.plugins.sync_free.conv_metadata import conv_metadata

from .support.vllm_releases import define, form_of

RELEASES = ("0.20.2", "0.21.0")
SWEPT = ("0.19.0", "0.19.1", "0.20.0", "0.20.1")
PAD = -1


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "release" in metafunc.fixturenames:
        metafunc.parametrize("release", (*RELEASES, *(SWEPT if metafunc.config.getoption("--sweep") else ())))


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What stands for vLLM's forward context: its ``attn_metadata`` is that of the step."""
    current = SimpleNamespace(attn_metadata=None)
    module: Any = ModuleType("vllm.forward_context")
    module.is_forward_context_available = lambda: current.attn_metadata is not None
    module.get_forward_context = lambda: current
    monkeypatch.setitem(sys.modules, "vllm.forward_context", module)
    return current


class Kernel:
    """Stands in for the Triton kernel: evaluates its grid and keeps which program does what."""

    def __init__(self) -> None:
        self.launches: list[tuple[int, torch.Tensor, torch.Tensor]] = []

    def __getitem__(self, grid: Any) -> Any:
        def launch(x: torch.Tensor, *rest: Any, BLOCK_M: int, BLOCK_N: int, **constants: Any) -> None:  # noqa: N803
            meta = {"BLOCK_M": BLOCK_M, "BLOCK_N": BLOCK_N, "x_ptr": x}
            meta |= {"batch_ptr": rest[6], "token_chunk_offset_ptr": rest[7]}
            programs, _ = grid(meta)
            self.launches.append((programs, meta["batch_ptr"], meta["token_chunk_offset_ptr"]))

        return launch


def both(release: str) -> tuple[Any, Any, Any, Kernel]:
    """Upstream's function, ours, what makes the metadata of a step, and the kernel that both launch."""
    kernel = Kernel()
    triton = SimpleNamespace(cdiv=lambda a, b: -(-a // b), next_power_of_2=lambda n: 1 << (n - 1).bit_length())
    vllm: dict[str, Any] = {"torch": torch, "np": np, "triton": triton, "PAD_SLOT_ID": PAD, "NULL_BLOCK_ID": 0}
    vllm["_causal_conv1d_fwd_kernel"] = kernel
    define(release, "v1.attention.backends.utils", ["compute_causal_conv1d_metadata"], vllm)
    upstream = define(release, "model_executor.layers.mamba.ops.causal_conv1d", ["causal_conv1d_fn"], vllm)[
        "causal_conv1d_fn"
    ]
    (compose,) = form_of(BINDING, release).compose or ()
    return upstream, compose(conv_metadata, upstream), vllm["compute_causal_conv1d_metadata"], kernel


def step(lengths: list[int], make: Any, device: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a layer's call, and the metadata of the step by layer."""
    host = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    offsets = host.to(device)
    nums_dict, batch_ptr, token_chunk_offset_ptr = make(host, device=torch.device(device))
    metadata = SimpleNamespace(
        nums_dict=nums_dict,
        batch_ptr=batch_ptr,
        token_chunk_offset_ptr=token_chunk_offset_ptr,
        query_start_loc_p=offsets,
    )
    x = torch.zeros(4, sum(lengths), device=device)
    call = (x, torch.zeros(4, 3, device=device), None, torch.zeros(5, 2, 4, device=device).mT, offsets)
    return call, {"other": SimpleNamespace(), "layers.0": metadata, "layers.1": metadata}


@settings(max_examples=200, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    assert conv_metadata(**call) == HOOK.reference(**call)


def test_equal_offsets_in_another_tensor_are_declined() -> None:
    offsets = torch.tensor([0, 3])
    assert conv_metadata(offsets, [(offsets.clone(), "metadata")]) is NotImplemented


def test_bound_it_launches_the_same_programs_as_upstream(release: str, context: SimpleNamespace) -> None:
    upstream, bound, make, kernel = both(release)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
    def equal(lengths: list[int]) -> None:
        call, context.attn_metadata = step(lengths, make, "cpu")
        kernel.launches.clear()
        bound(*call)
        upstream(*call)
        (ours, *our_programs), (theirs, *their_programs) = kernel.launches
        assert ours == theirs == sum(-(-length // 8) for length in lengths)
        for our_pointer, their_pointer in zip(our_programs, their_programs, strict=True):
            assert torch.equal(our_pointer[:ours], their_pointer[:theirs])

    equal()


def test_without_metadata_of_the_step_the_call_is_left_to_upstream(release: str, context: SimpleNamespace) -> None:
    _, bound, make, _ = both(release)
    call, _ = step([3], make, "cpu")
    assert bound(*call) is NotImplemented


@pytest.mark.sync_budget(0)
def test_bound_it_never_makes_the_host_wait(release: str, context: SimpleNamespace) -> None:
    _, bound, make, kernel = both(release)
    with allow("made once for the step"):
        call, context.attn_metadata = step([9, 3], make, "cuda")
    bound(*call)
    assert [programs for programs, _, _ in kernel.launches] == [3]


def test_upstream_waits_three_times_in_every_layer(release: str, sync_audit: Report) -> None:
    upstream, _, make, _ = both(release)
    with allow("made outside of the call"):
        call, _ = step([9, 3], make, "cuda")
    upstream(*call)
    assert sync_audit.count == 3
