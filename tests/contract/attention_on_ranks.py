"""What the ranks of the attention tests do: the release's own methods, with three exchanges and with one call of ours."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from packaging.specifiers import SpecifierSet

from syncfree.adapters.sglang import attention
from syncfree.adapting import Binding
from syncfree.plugins.packed_all_to_all.sequence_parallel_all_to_all import sequence_parallel_all_to_all as packed
from syncfree.plugins.sync_free.sequence_parallel_all_to_all import sequence_parallel_all_to_all as sync_free
from tests.contract.upstream_source import functions
from tests.contract.usp_on_ranks import identical, release_modules

LAYERS = "sglang/multimodal_gen/runtime/layers"
EXCHANGES = {"sync_free": sync_free, "packed_all_to_all": packed}


def forward_agrees(release_folder: Path, release: str, choice: str, seed: int, dtype: torch.dtype) -> dict[str, Any]:
    """Compare ``USPAttention.forward``; also count the collectives of both."""
    upstream, ours = _methods(attention.FORWARD, "forward", release_folder, release, EXCHANGES[choice])
    return _compare(upstream, ours, _tensors(seed, dtype, heads=(4, 4, 4)))


def replicated_kv_prefix_agrees(
    release_folder: Path, release: str, choice: str, seed: int, dtype: torch.dtype
) -> dict[str, Any]:
    """Compare ``_forward_with_replicated_kv_prefix_split``, with fewer heads in K and V than in Q."""
    name = "_forward_with_replicated_kv_prefix_split"
    upstream, ours = _methods(attention.REPLICATED_KV_PREFIX, name, release_folder, release, EXCHANGES[choice])
    q, k, v = _tensors(seed, dtype, heads=(8, 4, 4))
    everywhere = torch.Generator().manual_seed(seed)
    k_rep, v_rep = (torch.randn(2, 3, 4, 8, generator=everywhere).to(dtype) for _ in range(2))
    return _compare(upstream, ours, (q, k_rep, v_rep, k, v, None))


def declines(release_folder: Path, release: str, arguments: dict[str, Any]) -> bool:
    """Whether our ``forward`` leaves a call with these further arguments to upstream, without an exchange."""
    _, ours = _methods(attention.FORWARD, "forward", release_folder, release, _never)
    return ours(*_tensors(0, torch.float32, heads=(4, 4, 4)), **arguments) is NotImplemented


def _never(tensors: Any, group: Any) -> Any:
    raise AssertionError("exchanged before declining")


def _tensors(seed: int, dtype: torch.dtype, heads: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1000 * seed + dist.get_rank())
    return tuple(torch.randn(2, 3, h, 8, generator=generator).to(dtype) for h in heads)


def _compare(upstream: Callable[..., Any], ours: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
    before = [x.clone() for x in arguments if x is not None]
    expected, its_collectives = _counting(upstream, arguments)
    got, our_collectives = _counting(ours, arguments)
    return {
        "equal": identical(got, expected) and got.stride() == expected.stride(),
        "unchanged": all(map(identical, before, (x for x in arguments if x is not None))),
        "collectives": (its_collectives, our_collectives),
    }


def _counting(call: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, int]:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        result = call(*arguments)
    return result, sum(event.count for event in profiler.key_averages() if event.key == "gloo:all_to_all")


def _methods(
    binding: Binding, name: str, folder: Path, release: str, exchange: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    usp, _ = release_modules(folder / LAYERS / "usp.py", release)
    size, rank = dist.get_world_size(), dist.get_rank()
    namespace: dict[str, Any] = {
        "torch": torch,
        "get_forward_context": lambda: SimpleNamespace(attn_metadata=None),
        "get_sequence_parallel_world_size": lambda: size,
        "get_ulysses_parallel_world_size": lambda: size,
        "get_ring_parallel_world_size": lambda: 1,
        "get_sp_parallel_rank": lambda: rank,
        "get_ulysses_parallel_rank": lambda: rank,
        "_usp_input_all_to_all": usp["_usp_input_all_to_all"],
        "_usp_output_all_to_all": usp["_usp_output_all_to_all"],
    }
    layer = folder / LAYERS / "attention" / "layer.py"
    names = [f"USPAttention.{name}"]
    if "_replicated_kv_attention" in layer.read_text():
        names.append("USPAttention._replicated_kv_attention")
    module = functions(layer, names, namespace)
    form = next(form for form in binding.forms if SpecifierSet(form.releases).contains(release))
    assert form.compose is not None
    self = SimpleNamespace(attn_impl=SimpleNamespace(forward=_attention), skip_sequence_parallel=False)
    if "_replicated_kv_attention" in module:
        self._replicated_kv_attention = lambda *arguments: module["_replicated_kv_attention"](self, *arguments)
    upstream, ours = module[name], form.compose[0](exchange, module[name])
    return (lambda *a, **k: upstream(self, *a, **k)), (lambda *a, **k: ours(self, *a, **k))


def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, metadata: None) -> torch.Tensor:
    k, v = (x.repeat_interleave(q.shape[2] // x.shape[2], dim=2) for x in (k, v))
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(dim=-1)
    return (weights @ v).transpose(1, 2)
