"""Steps of vLLM's gated-delta layers: metadata made by the real builder of a release, and what stands for the rest of the engine."""

from __future__ import annotations

import functools
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from packaging.version import Version

from syncfree.adapters.vllm.chunk_indices import BINDINGS
from syncfree.plugins.sync_free.chunk_indices import chunk_indices

from .vllm_releases import define, form_of

LAYERS = ("layers.0", "layers.2")


@dataclass(frozen=True)
class Rows:
    """The rows of a step, decodes first.

    Attributes:
        lengths: tokens of each row; 0 for padding, at the end.
        drafts: of each row, how many of its tokens are drafts; -1 where it has none. None without speculative decoding.
    """

    lengths: list[int]
    drafts: list[int] | None = None


@st.composite
def rows_with_prefills(draw: st.DrawFn) -> Rows:
    """Generate decodes, prefills and padding; sometimes with speculative decoding, where decodes may have drafts."""
    decodes = draw(st.integers(0, 4))
    lengths = [1] * decodes + draw(st.lists(st.integers(2, 200), min_size=1, max_size=4)) + [0] * draw(st.integers(0, 2))
    drafts = [draw(st.sampled_from([-1, 0, 2])) if row < decodes else -1 for row in range(len(lengths))]
    with_drafts = [length + max(count, 0) for length, count in zip(lengths, drafts, strict=True)]
    return draw(st.sampled_from([Rows(lengths), Rows(with_drafts, drafts)]))


class Common(SimpleNamespace):
    """A stand-in for ``CommonAttentionMetadata``."""

    def replace(self, **changes: Any) -> Common:
        return Common(**{**vars(self), **changes})

    def compute_num_computed_tokens(self) -> torch.Tensor:
        return self.seq_lens - self.query_start_loc.diff()  # type: ignore[no-any-return]


@dataclass
class Engine:
    """One release: upstream's functions, our `prepare_chunk_indices`, the real builder's `build`, and the forward context."""

    upstream: Any
    chunk_offsets: Any
    bound: Any
    build: Any
    metadata_class: type
    context: SimpleNamespace

    def step(self, rows: Rows, device: str = "cpu") -> Any:
        """Make the metadata of a step; every layer of the context has it. Returns it."""
        starts = torch.tensor([0, *rows.lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
        lengths = starts.diff()
        seq_lens = lengths + (lengths == 1) * 7
        common = Common(
            query_start_loc=starts.to(device),
            query_start_loc_cpu=starts,
            seq_lens=seq_lens.to(device),
            seq_lens_cpu_upper_bound=seq_lens,
            is_prefilling=lengths > 1,
            block_table_tensor=torch.arange(4 * len(lengths), dtype=torch.int32).view(-1, 4).to(device),
            num_reqs=len(lengths),
            num_actual_tokens=sum(rows.lengths),
            max_query_len=max(rows.lengths),
        )
        drafts = None if rows.drafts is None else torch.tensor(rows.drafts)
        builder = SimpleNamespace(
            kv_cache_spec=None,
            vllm_config=SimpleNamespace(cache_config=SimpleNamespace(mamba_cache_mode="none")),
            use_spec_decode=drafts is not None,
            num_spec=2,
            use_full_cuda_graph=False,
            gdn_prefill_backend="triton",
            checkpoint_builder=SimpleNamespace(build=lambda *_: None),
            plan_flashinfer_checkpoints=False,
            _build_chunk_metadata=lambda *_: (None, None),
            _stage_decode=lambda *_: False,
            _stage_spec_decode=lambda *_: False,
        )
        self.context.attn_metadata = None  # a builder runs before the forward pass
        metadata = self.build(builder, 0, common, torch.ones(len(lengths), dtype=torch.int32).to(device), drafts)
        self.context.attn_metadata = {"layers.1": SimpleNamespace(), **dict.fromkeys(LAYERS, metadata)}
        return metadata


@functools.cache
def _taken_out(release: str, library: str) -> dict[str, Any]:
    """Return a release's functions, by name."""
    vllm: dict[str, Any] = {
        "torch": torch,
        "np": np,
        "functools": functools,
        "dataclass": dataclass,
        "triton": SimpleNamespace(cdiv=lambda a, b: (a + b - 1) // b),
        "PAD_SLOT_ID": -1,
        "NULL_BLOCK_ID": 0,
        "PIN_MEMORY": False,
        "np_to_pinned_tensor": torch.from_numpy,
        "mamba_get_block_table_tensor": lambda table, *_: table,
        "gpu_sync_allowed": lambda **_: nullcontext(),
        "async_tensor_h2d": _upload,
    }
    define(release, f"{library}.ops.utils", ["tensor_cache"], vllm)
    define(release, f"{library}.ops.index", ["prepare_lens", "prepare_chunk_indices", "prepare_chunk_offsets"], vllm)
    define(release, "v1.attention.backends.utils", ["split_decodes_and_prefills", "compute_causal_conv1d_metadata"], vllm)
    return define(
        release, "v1.attention.backends.gdn_attn", ["GDNAttentionMetadata", "GDNAttentionMetadataBuilder.build"], vllm
    )


def engine(release: str, patch: pytest.MonkeyPatch) -> Engine:
    """Put what the adapter and the builder of a release look for into `sys.modules`, and bind."""
    binding = BINDINGS[Version(release) >= Version("0.26")]
    library = binding.targets[0].partition(".ops.")[0].removeprefix("vllm.")
    vllm = _taken_out(release, library)
    upstream = vllm["prepare_chunk_indices"]
    (compose,) = form_of(binding, release).compose or ()
    ours = compose(chunk_indices, upstream)
    context = SimpleNamespace(attn_metadata=None)

    def bound(offsets: torch.Tensor, chunk_size: int) -> torch.Tensor:
        found = ours(offsets, chunk_size)
        return upstream(offsets, chunk_size) if found is NotImplemented else found  # type: ignore[no-any-return]

    for name, members in {
        "vllm.forward_context": {
            "is_forward_context_available": lambda: context.attn_metadata is not None,
            "get_forward_context": lambda: context,
        },
        "vllm.v1.attention.backends.gdn_attn": {"GDNAttentionMetadata": vllm["GDNAttentionMetadata"]},
        f"vllm.{library}.ops.index": {
            "prepare_chunk_indices": bound,
            "prepare_chunk_offsets": vllm["prepare_chunk_offsets"],
        },
        f"vllm.{library}.ops.utils": {"FLA_CHUNK_SIZE": 64},
    }.items():
        module = ModuleType(name)
        vars(module).update(members)
        patch.setitem(sys.modules, name, module)
    return Engine(upstream, vllm["prepare_chunk_offsets"], ours, vllm["build"], vllm["GDNAttentionMetadata"], context)


def _upload(
    data: Any, dtype: torch.dtype | None = None, target_device: Any = None, device: Any = None, **_: Any
) -> torch.Tensor:
    host = torch.as_tensor(data, dtype=dtype)
    to = torch.device(target_device or device)
    return (host.pin_memory() if to.type == "cuda" else host).to(to, non_blocking=True)
