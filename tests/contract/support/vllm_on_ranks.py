"""The work of a rank of `gloo_ranks` in the tests of vLLM's data-parallel coordination."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, is_dataclass
from datetime import timedelta
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist

from syncfree.adapters.vllm.dp_all_reduce import model_runner_v1, model_runner_v2
from syncfree.hooks.dp_all_reduce import HOOK

from .bound_class import calls_and_declines, switched_slot
from .vllm_releases import define, form_of

PLUGINS = ("sync_free", "shm_mailbox", "auto")
Step = tuple[bool, int, int, int]
"""The numbers of one rank of V1 before a step: wants micro-batches, tokens, tokens with padding, CUDA graph mode."""


def implementation(plugin: str) -> Callable[..., Any]:
    """A plugin's function for the hook."""
    found: Callable[..., Any] = import_module(f"syncfree.plugins.{plugin}.dp_all_reduce").dp_all_reduce
    return found


def exchange(plugin: str, local: list[list[int]]) -> list[list[list[int]]]:
    """The reference's and the plugin's matrix of ``local[rank]`` on this rank."""
    rank, size, group = dist.get_rank(), dist.get_world_size(), dist.group.WORLD
    assert group is not None
    results = [call(local[rank], rank, size, group, "cpu") for call in (HOOK.reference, implementation(plugin))]
    assert all(result.dtype == torch.int32 for result in results)
    return [result.tolist() for result in results]


# Model Runner V1


def run_ar(plugin: str, release: str, gloo: bool, steps: list[Step]) -> tuple[list[list[int]], list[list[int]]]:
    """Upstream's matrix and ours on this rank for ``steps[rank]``; `gloo` is the path of asynchronous scheduling."""
    both = both_v1(release, "cpu", dist.group.WORLD, plugin)
    results = [functions["_run_ar"](*steps[dist.get_rank()], v1_config(gloo)) for functions in both]
    assert all(result.dtype == torch.int32 for result in results)
    return results[0].tolist(), results[1].tolist()


def synchronize(plugin: str, release: str, gloo: bool, steps: list[Step], parts: int) -> tuple[Any, Any]:
    """Upstream's conclusion and ours on this rank for ``steps[rank]``; a batch may be split into `parts`."""
    ubatch, tokens, padded, mode = steps[dist.get_rank()]
    config = v1_config(gloo, parts)
    both = both_v1(release, "cpu", dist.group.WORLD, plugin)
    theirs, ours = (functions["_synchronize_dp_ranks"](tokens, padded, ubatch, mode, config) for functions in both)
    return _plain(theirs), _plain(ours)


def v1_config(gloo: bool, parts: int = 2) -> SimpleNamespace:
    """The part of vLLM's parallel configuration that coordination looks at, of this rank."""
    return SimpleNamespace(
        data_parallel_rank=dist.get_rank(),
        data_parallel_size=dist.get_world_size(),
        disable_nccl_for_dp_synchronization=gloo,
        num_ubatches=parts,
    )


@cache
def both_v1(release: str, device: str, group: Any, plugin: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The functions of V1's coordination on a device and a group: upstream's, and with the adapter's replacements."""
    theirs, ours = (_v1_functions(release, torch.device(device), group) for _ in range(2))
    for name, compose in zip(("_run_ar", "_synchronize_dp_ranks"), form_of(model_runner_v1.BINDING, release).compose or (), strict=True):
        ours[name] = compose(implementation(plugin), ours[name])
    return theirs, ours


def _v1_functions(release: str, device: torch.device, group: Any) -> dict[str, Any]:
    namespace: dict[str, Any] = {
        "torch": torch,
        "dist": dist,
        "PIN_MEMORY": device.type == "cuda",
        "logger": SimpleNamespace(info_once=lambda message, **more: None, debug=lambda *message: None),
        "get_dp_group": lambda: SimpleNamespace(device=device, device_group=group, cpu_group=group),
        "nullcontext": nullcontext,
        "gpu_sync_allowed": nullcontext,
    }
    define(release, "v1.worker.ubatch_utils", ["is_last_ubatch_empty"], namespace)
    names = ["ubatch", "dp_padding", "cudagraph_mode"]
    return define(
        release,
        "v1.worker.dp_utils",
        ["_run_ar", "_get_device_and_group", "_synchronize_dp_ranks", *(f"_post_process_{name}" for name in names)],
        namespace,
    )


# Model Runner V2


@dataclass(frozen=True)
class Batch:
    """The numbers of one rank of V2 before a step; releases take what they know of it."""

    num_tokens: int
    mode: int
    num_reqs: int
    uniform_token_count: int | None
    max_query_len: int | None
    num_active_loras: int
    allow_ubatching: bool
    uniform_decode: bool
    allow_skip_drafts: bool


class Manager:
    """Stands in for the look-up of captured graphs: what it finds follows from everything that it is asked."""

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = functions
        self.asked: list[Any] = []

    def dispatch(self, num_reqs: int, num_tokens: int, uniform_token_count: int | None, **more: Any) -> Any:
        uniform = None if uniform_token_count is None else int(uniform_token_count)
        self.asked.append((num_reqs, num_tokens, uniform, more))
        mode = self._functions["CUDAGraphMode"]((num_tokens + (uniform or 0)) % 3)
        fields = {name: value for name, value in more.items() if value is not None}
        padded = -(-num_tokens // 8) * 8
        return self._functions["BatchExecutionDescriptor"](cg_mode=mode, num_tokens=padded, num_reqs=num_reqs, **fields)


def batches(plugin: str, release: str, steps: list[Batch], managed: bool) -> tuple[Any, Any]:
    """Return what upstream and we make of ``steps[rank]`` on this rank: the batch, the agreement, what graphs were looked for."""
    functions = v2_functions(release)
    results = []
    upstream, bound = both_v2(release, plugin)
    for call in (upstream, bound):
        manager = Manager(functions)
        result = _outcome(call, functions, steps[dist.get_rank()], manager if managed else None)
        results.append((result, manager.asked))
    assert calls_and_declines({"": bound._syncfree_slot})[1] == 0
    return results[0], results[1]


@cache
def both_v2(release: str, plugin: str) -> tuple[Any, Any]:
    """V2's coordination over the group of all ranks: upstream's function, and the bound one in its place."""
    upstream = v2_functions(release)["sync_cudagraph_and_dp_padding"]
    (compose,) = form_of(model_runner_v2.BINDING, release).compose or ()
    return upstream, switched_slot(upstream, compose, model_runner_v2.BINDING, implementation(plugin)).bound


def _outcome(call: Callable[..., Any], functions: Mapping[str, Any], batch: Batch, manager: Manager | None) -> Any:
    arguments = {name: getattr(batch, name) for name in OPTIONAL if name in functions["parameters"]}
    if "parallel_config" in functions["parameters"]:
        arguments["parallel_config"] = functions["config"]
    fields = {"num_active_loras": batch.num_active_loras} if "num_active_loras" in arguments else {}
    desired = functions["BatchExecutionDescriptor"](
        cg_mode=functions["CUDAGraphMode"](batch.mode), num_tokens=batch.num_tokens, num_reqs=batch.num_reqs, **fields
    )
    mine = batch.num_tokens, batch.num_reqs, batch.uniform_token_count, dist.get_world_size(), dist.get_rank()
    try:
        return _plain(call(manager, desired, *mine, **arguments))
    except (AssertionError, AttributeError):  # up to 0.19 there is no assertion for it
        return "a graph is to be looked up without a manager"


OPTIONAL = ("max_query_len", "num_active_loras", "allow_ubatching", "uniform_decode", "allow_skip_drafts")


@cache
def v2_functions(release: str) -> dict[str, Any]:
    """V2's coordination of a release with all that it uses; its parameters and a configuration, too."""
    group = SimpleNamespace(cpu_group=dist.group.WORLD)
    namespace: dict[str, Any] = {
        "__name__": __name__,  # where dataclasses look for the names in annotations
        "torch": torch,
        "dist": dist,
        "enum": enum,
        "dataclass": dataclass,
        "should_skip_dp_coordination": lambda: False,
        "get_dp_group": lambda: group,
        "config": SimpleNamespace(
            use_ubatching=True, num_ubatches=2, dbo_decode_token_threshold=8, dbo_prefill_token_threshold=12
        ),
    }
    if _at_least(release, 33):
        namespace.update(timedelta=timedelta, ProcessGroup=dist.ProcessGroup, _CPU_ALL_REDUCE_TAG_BASE=27100)
        pairwise = define(release, "distributed.utils", ["cpu_all_reduce_"], namespace)["cpu_all_reduce_"]
        group.cpu_all_reduce_ = lambda tensor: pairwise(tensor, group.cpu_group, timedelta(minutes=30))
    define(release, "config.compilation", ["CUDAGraphMode"], namespace)
    define(release, "v1.worker.gpu.cudagraph_utils", ["BatchExecutionDescriptor"], namespace)
    names = ["sync_cudagraph_and_dp_padding"]
    if _at_least(release, 29):
        names.append("DPSyncState")
    if _at_least(release, 30):
        define(release, "v1.worker.ubatch_utils", ["check_ubatch_thresholds", "get_num_ubatches"], namespace)
    define(release, "v1.worker.gpu.dp_utils", names, namespace)
    code = namespace["sync_cudagraph_and_dp_padding"].__code__
    namespace["parameters"] = code.co_varnames[: code.co_argcount]
    return namespace


def _at_least(release: str, minor: int) -> bool:
    return int(release.split(".")[1]) >= minor


def _plain(value: Any) -> Any:
    """Something that can be compared and sent: tensors with their dtype, dataclasses as dictionaries."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), str(value.device), value.tolist()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(part) for name, part in vars(value).items()}
    if isinstance(value, enum.Enum):
        return value.name
    return value
