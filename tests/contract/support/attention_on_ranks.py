"""The work of the ranks of the attention tests: an SGLang release's own layer, and the same layer with our bindings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from functorch.einops import rearrange
from packaging.version import Version
from torch._dynamo.testing import CompileCounter

from syncfree.adapters.sglang.sequence_parallel_all_to_all import turbo
from syncfree.plugins.packed_all_to_all.sequence_parallel_all_to_all import sequence_parallel_all_to_all as packed
from syncfree.plugins.sync_free.sequence_parallel_all_to_all import sequence_parallel_all_to_all as sync_free
from tests.contract.support.ulysses_layer import LAYERS, Layer
from tests.contract.support.upstream_source import functions
from tests.contract.support.usp_on_ranks import identical

EXCHANGES = {"sync_free": sync_free, "packed_all_to_all": packed}
TOKENS, REPLICATED, WIDTH = 3, 2, 8
"""Per rank: tokens of its own, and tokens that are on every rank."""


class Case(NamedTuple):
    """A path of the layer: how many tokens are replicated in Q, K and V and where they are, mask, heads of Q and of K and V."""

    replicated: tuple[int, int, int] = (0, 0, 0)
    options: tuple[tuple[str, int], ...] = ()
    masked: bool = False
    heads: tuple[int, int] = (4, 4)

    def arguments(self, dtype: torch.dtype) -> tuple[list[torch.Tensor], dict[str, Any]]:
        """Q, K and V of this rank, and the options of the call."""
        generator = torch.Generator().manual_seed(1000 + dist.get_rank())
        q_heads, kv_heads = self.heads
        tensors = [
            torch.randn(2, TOKENS + more, heads, WIDTH, generator=generator).to(dtype)
            for more, heads in zip(self.replicated, (q_heads, kv_heads, kv_heads), strict=True)
        ]
        options: dict[str, Any] = dict(self.options)
        if self.masked:
            options["attn_mask"] = torch.rand(2, TOKENS, generator=generator) < 0.7
        return tensors, options


CASES = {
    "plain": Case(),
    "grouped heads": Case(heads=(8, 4)),
    "masked": Case(masked=True),
    "prefix": Case((REPLICATED,) * 3, (("num_replicated_prefix", REPLICATED),)),
    "suffix": Case((REPLICATED,) * 3, (("num_replicated_suffix", REPLICATED),)),
    "prefix, grouped heads": Case((REPLICATED,) * 3, (("num_replicated_prefix", REPLICATED),), heads=(8, 4)),
    "kv prefix": Case((0, REPLICATED, REPLICATED), (("num_replicated_kv_prefix", REPLICATED),), heads=(8, 4)),
    "heads that cannot be split": Case(heads=(3, 3)),
}


def paths_agree(folder: Path, release: str, choice: str, dtype: torch.dtype) -> dict[str, dict[str, Any]]:
    """Run every path that the release has, upstream's way and ours.

    Returns:
        By path: whether the bytes and strides are the same (or both raised the same error), whether the arguments are
        unchanged, the collectives of both, and which of our functions did the work.
    """
    layers = Layer(folder, release, None), Layer(folder, release, choice)
    return {name: _path_agrees(*layers, CASES[name], dtype) for name in paths(release)}


def paths(release: str) -> list[str]:
    """The paths of a release: replicated tokens from 0.5.10, in K and V alone from 0.5.13, grouped heads from 0.5.16.

    Masks are those of 0.5.11 and 0.5.12; newer releases hand them to kernels that are not here.
    """
    version = Version(release)
    since = {
        "prefix": "0.5.10",
        "suffix": "0.5.10",
        "prefix, grouped heads": "0.5.16",
        "kv prefix": "0.5.13",
        "masked": "0.5.11",
    }
    names = [name for name in CASES if version >= Version(since.get(name, "0"))]
    return [name for name in names if name != "masked" or version < Version("0.5.13")]


def _path_agrees(upstream: Layer, ours: Layer, case: Case, dtype: torch.dtype) -> dict[str, Any]:
    took = ours.took()
    arguments, options = case.arguments(dtype)
    before = [x.clone() for x in arguments]
    expected, its_collectives = _counting(lambda: upstream.self.forward(*arguments, **options))
    got, our_collectives = _counting(lambda: ours.self.forward(*arguments, **options))
    return {
        "same": _same(got, expected),
        "unchanged": all(map(identical, before, arguments)),
        "collectives": (its_collectives, our_collectives),
        "ours": sorted(name for name, calls in ours.took().items() if calls > took.get(name, 0)),
    }


def captured_agrees(folder: Path, release: str, choice: str) -> tuple[bool, tuple[int, int], dict[str, int]]:
    """Compare the plain path while a breakable graph is captured: is it the same, the collectives of both, and our declines."""
    upstream, ours = Layer(folder, release, None), Layer(folder, release, choice)
    upstream.captured = ours.captured = True
    found = _path_agrees(upstream, ours, CASES["plain"], torch.float32)
    return found["same"], found["collectives"], {name: slot.counts()[choice].declines for name, slot in ours.slots.items()}


def compilations(folder: Path, release: str, choice: str, path: str) -> tuple[int, int, dict[str, int]]:
    """Call a compiled caller of a layer twelve times: how often upstream's was compiled, how often ours, and our declines."""
    arguments, options = CASES[path].arguments(torch.float32)
    ours = Layer(folder, release, choice)
    found = []
    for layer in (Layer(folder, release, None), ours):
        torch._dynamo.reset()
        counter = CompileCounter()
        compiled = torch.compile(lambda *given, layer=layer: layer.self.forward(*given, **options) * 2, backend=counter)
        for _ in range(12):
            compiled(*arguments)
        found.append(counter.frame_count)
    torch._dynamo.reset()
    ours.self.forward(*arguments, **options)  # not compiled, so it is counted
    return found[0], found[1], {name: slot.counts()[choice].declines for name, slot in ours.slots.items()}


def overlapped_agrees(folder: Path, release: str, choice: str, heads_to_sequence: bool, count: int) -> dict[str, Any]:
    """Compare ``async_a2a_communicate`` for `count` tensors, in either direction."""
    on_cpu = ModuleType("torch")  # upstream's side stream comes from torch.cuda, or from the device's module
    on_cpu.__dict__.update(vars(torch), cuda=torch.cpu, get_device_module=lambda: torch.cpu)
    namespace: dict[str, Any] = {"torch": on_cpu, "dist": dist, "rearrange": rearrange}
    names = ["post_all2all", "async_a2a_communicate"]
    upstream = functions(folder / LAYERS / "attention" / "turbo_layer.py", names, namespace)["async_a2a_communicate"]
    (form,) = turbo.BINDING.forms
    assert form.compose is not None
    ours = form.compose[0](EXCHANGES[choice], upstream)
    size = dist.get_world_size()
    generator = torch.Generator().manual_seed(dist.get_rank())
    tensors = [torch.randn(2, 3 * size, 2 * size, 4, generator=generator) for _ in range(count)]
    one: Any = tensors[0] if count == 1 else None
    stream = torch.cpu.Stream()

    def run(function: Callable[..., Any]) -> Callable[[], Any]:
        given = one if count == 1 else list(tensors)  # upstream replaces the list's elements
        return lambda: function(given, size, dist.group.WORLD, stream, heads_to_sequence)

    expected, its_collectives = _counting(run(upstream))
    got, our_collectives = _counting(run(ours))
    pairs = [(got, expected)] if count == 1 else list(zip(got, expected, strict=True))
    return {
        "same": all(_same(g.contiguous(), e.contiguous()) for g, e in pairs),
        "collectives": (its_collectives, our_collectives),
    }


def _same(got: Any, expected: Any) -> bool:
    if isinstance(expected, torch.Tensor):
        return isinstance(got, torch.Tensor) and identical(got, expected) and got.stride() == expected.stride()
    return bool(got == expected)


def _counting(call: Callable[[], Any]) -> tuple[Any, int]:
    """The result, or the error's type and text; and how many collectives it took."""
    group = dist.distributed_c10d._get_default_group()
    before = group._get_sequence_number_for_group()
    try:
        result = call()
    except AssertionError as error:
        result = (type(error).__name__, str(error))
    return result, group._get_sequence_number_for_group() - before
