"""The work of the ranks of the all-to-all tests. Each function runs on every rank of a `GlooRanks` pool."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as functional_collectives

from syncfree._ab import Comparison, summarize
from syncfree.adapters.sglang.sequence_parallel_all_to_all import usp
from syncfree.hooks.sequence_parallel_all_to_all import HOOK
from syncfree.plugins.packed_all_to_all.sequence_parallel_all_to_all import sequence_parallel_all_to_all as packed
from syncfree.plugins.sync_free.sequence_parallel_all_to_all import sequence_parallel_all_to_all
from tests.contract.support.upstream_source import functions

_PRESENT_IN_SOME = (
    "_maybe_wait",
    "_a2a_staging_buffer",
    "_usp_input_all_to_all_qkv",
    "_can_use_packed_qkv_a2a_4d",
    "_packed_qkv_row_view_is_free",
)
EXCHANGES = ("_usp_input_all_to_all", "_usp_output_all_to_all")


class Case(NamedTuple):
    """One call: the global shape ``[b, s, h, d]``, the layout and what is exchanged."""

    shape: tuple[int, int, int, int]
    head_dim: int
    dtype: torch.dtype
    contiguous: bool
    seed: int


def implementation_and_reference(tensors: tuple[torch.Tensor, ...]) -> list[bool]:
    """Per tensor: the result is bitwise the reference's and contiguous, and the argument is unchanged."""
    return _agrees(sequence_parallel_all_to_all, tensors)


def packed_and_reference(tensors: tuple[torch.Tensor, ...]) -> list[bool]:
    """The same for the packed exchange."""
    return _agrees(packed, tensors)


def _agrees(exchange: Any, tensors: tuple[torch.Tensor, ...]) -> list[bool]:
    mine = tuple(tensor + dist.get_rank() for tensor in tensors)
    before = tuple(tensor.clone() for tensor in mine)
    got, expected = exchange(mine, None), HOOK.reference(mine, None)
    return [
        identical(g, e) and g.is_contiguous() and identical(m, b)
        for g, e, m, b in zip(got, expected, mine, before, strict=True)
    ]


def exchanges_agree(source: Path, release: str, case: Case) -> dict[str, bool]:
    """Compare the bytes of the release's exchanges over its own collective and over ours."""
    upstream, ours = release_modules(source, release)
    generator = torch.Generator().manual_seed(case.seed + dist.get_rank())
    b, s, h, d = case.shape
    results = {}
    for name in EXCHANGES:
        shape = (b, s, h, d) if case.head_dim == 2 else (b, h, s, d)
        x = (torch.randn(shape, generator=generator) * 10).to(case.dtype)
        if not case.contiguous:
            x = x.transpose(1, 2).contiguous().transpose(1, 2)
        expected = upstream[name](x, head_dim=case.head_dim)
        got = ours[name](x, head_dim=case.head_dim)
        results[name] = identical(got, expected) and got.shape == expected.shape and got.stride() == expected.stride()
    return results


def refusals(
    source: Path, release: str, exchange: str, shape: tuple[int, int, int, int], head_dim: int
) -> list[tuple[str, str]]:
    """The errors of one of upstream's exchanges and of the same over ours for a shape that cannot be split."""
    found = []
    for module in release_modules(source, release):
        try:
            module[exchange](torch.zeros(shape), head_dim=head_dim)
        except Exception as error:  # noqa: BLE001 whatever it is, both must raise it
            found.append((type(error).__name__, str(error)))
        else:
            found.append(("nothing", ""))
    return found


def compiled_agrees(source: Path, release: str) -> bool:
    """torch.compile traces our exchange in one graph, and the compiled call moves the same bytes."""
    upstream, ours = release_modules(source, release)
    x = torch.arange(4 * dist.get_world_size() * 6, dtype=torch.float32).reshape(1, 6, 4 * dist.get_world_size(), 1)
    x = x + 1000 * dist.get_rank()

    def layer(exchanges: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
        gathered = exchanges["_usp_input_all_to_all"](x * 2, head_dim=2)
        result: torch.Tensor = exchanges["_usp_output_all_to_all"](gathered + 1, head_dim=2)
        return result * 3

    compiled = torch.compile(lambda x: layer(ours, x), fullgraph=True, backend="aot_eager")
    return identical(compiled(x), layer(upstream, x))


class SequenceParallelGroup:
    """The part of its group coordinator that upstream's exchange reads."""

    def __init__(self) -> None:
        self.ulysses_group = dist.group.WORLD
        self.ulysses_shm_handle: int | None = None


@cache
def release_modules(source: Path, release: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The release's functions as they are, and the same functions over our exchange."""
    upstream, ours = (define_usp(source) for _ in range(2))
    compose = form_of(release).compose
    assert compose is not None
    ours["_usp_all_to_all_single"] = compose[0](sequence_parallel_all_to_all, ours["_usp_all_to_all_single"])
    return upstream, ours


def form_of(release: str) -> Any:
    """The adapter's form for a release."""
    from packaging.specifiers import SpecifierSet

    return next(form for form in usp.BINDING.forms if SpecifierSet(form.releases).contains(release))


def define_usp(source: Path) -> dict[str, Any]:
    """The functions of a release's ``usp.py``, over the default process group."""
    size = dist.get_world_size()
    sp_group = SequenceParallelGroup()
    namespace: dict[str, Any] = {
        "torch": torch,
        "dist": dist,
        "ft_c": functional_collectives,
        "get_sp_group": lambda: sp_group,
        "get_ulysses_parallel_world_size": lambda: size,
        "current_platform": SimpleNamespace(is_cpu=lambda: True),
        # Transports of CUDA only, and a kernel that does this permutation.
        "_ipc_varlen_fast": lambda *arguments: None,
        "_ipc_ready_group": lambda: None,
        "usp_merge_heads": lambda x: x.permute(2, 1, 0, 3, 4).contiguous(),
    }
    names = ["_usp_all_to_all_single", *EXCHANGES]
    text = source.read_text("utf-8")
    names += [name for name in _PRESENT_IN_SOME if f"def {name}(" in text]
    names += [name for name in ("_A2A_STAGING_BUFFERS", "_A2A_DEVICE_TYPES", "_UNCACHED_STAGING") if f"\n{name}" in text]
    names += ["SHM_ALLTOALL_MAX_BYTES"] if "\nSHM_ALLTOALL_MAX_BYTES" in text else []
    return functions(source, names, namespace)


def identical(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Same dtype, shape and bytes."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return bool(a.flatten().view(torch.uint8).equal(b.flatten().view(torch.uint8)))


def time_exchange(source: Path, release: str, elements: int, pairs: int) -> Comparison:
    """Wall time of one exchange of float32 `elements` per rank: the release's function against ours, in paired blocks."""
    functions_by_side = [module["_usp_all_to_all_single"] for module in release_modules(source, release)]
    x = torch.zeros(elements)
    runs = max(3, min(50, 2**20 // elements))
    seconds: tuple[list[float], list[float]] = ([], [])
    for pair in range(-1, pairs):  # the first pair warms up
        for side in (0, 1) if pair % 2 else (1, 0):
            dist.barrier()
            start = time.perf_counter()
            for _ in range(runs):
                functions_by_side[side](x)
            if pair >= 0:
                seconds[side].append((time.perf_counter() - start) / runs)
    return summarize("upstream", "sync_free", *seconds)
