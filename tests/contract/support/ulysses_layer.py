"""The attention layer of an SGLang release over Gloo, as it is and with our bindings in its functions' places."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import MethodType, SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from packaging.specifiers import SpecifierSet

from syncfree._runtime import RUNTIME
from syncfree._slot import Slot
from syncfree.adapters.sglang import ADAPTER
from tests.contract.support.upstream_source import functions
from tests.contract.support.usp_on_ranks import define_usp

LAYERS = "sglang/multimodal_gen/runtime/layers"
HOOK = "sequence_parallel_all_to_all"
METHODS = (
    "forward",
    "_forward_with_replicated_prefix",
    "_forward_with_replicated_suffix",
    "_forward_with_replicated_kv_prefix",
    "_forward_with_replicated_kv_prefix_split",
    "_replicated_kv_attention",
    "_pipelined_ulysses",
)

WRAPS = "_make_breakable_attention_forward"
"""Makes what 0.5.16 and newer have in the place of ``forward``."""


class Layer:
    """One ``USPAttention`` with plain attention inside.

    Attributes:
        self: what the methods see as themselves; the methods are on it.
        slots: our slots by the function's name; empty for upstream's layer.
        captured: a breakable CUDA graph is being captured.
    """

    def __init__(self, folder: Path, release: str, choice: str | None) -> None:
        self.slots: dict[str, Slot] = {}
        self.captured = False
        self.usp = define_usp(folder / LAYERS / "usp.py")
        self._bind(self.usp, release, choice)
        module = self._module(folder / LAYERS / "attention" / "layer.py")
        self._bind(module, release, choice)
        self.self = SimpleNamespace(
            attn_impl=SimpleNamespace(forward=_attention),
            skip_sequence_parallel=False,
            sp_attention_mode="ulysses",
            enable_packed_qkv_input_a2a=False,
            softmax_scale=None,
            allow_cudnn_sdp=False,
            causal=False,
        )
        for name in METHODS:
            if name in module:
                setattr(self.self, name, MethodType(module[name], self.self))

    def _module(self, file: Path) -> dict[str, Any]:
        size, rank = dist.get_world_size(), dist.get_rank()
        namespace: dict[str, Any] = {
            "torch": torch,
            "nullcontext": nullcontext,
            "get_forward_context": lambda: SimpleNamespace(attn_metadata=None),
            "get_sp_group": self.usp["get_sp_group"],
            "get_sequence_parallel_world_size": lambda: size,
            "get_ulysses_parallel_world_size": lambda: size,
            "get_ring_parallel_world_size": lambda: 1,
            "get_sp_parallel_rank": lambda: rank,
            "get_ulysses_parallel_rank": lambda: rank,
            "sequence_model_parallel_all_gather": _all_gather,
            # What newer releases ask before they take the paths that are tested here.
            "get_request_skip_softmax_params": lambda: None,
            "envs": SimpleNamespace(SGLANG_DIFFUSION_ULYSSES_PIPELINE_GROUPS=0),
            "DynamicVarlenMaskMeta": type("DynamicVarlenMaskMeta", (), {}),
            "_SP_PAD_MASK_DISABLED": False,
            "functools": functools,
            "is_in_breakable_cuda_graph": lambda: self.captured,
            "eager_on_graph": lambda _: lambda function: function,
            "_BCGBoxedTupleOutput": type("_BCGBoxedTupleOutput", (), {}),
        }
        namespace |= {name: value for name, value in self.usp.items() if name.startswith("_usp_")}
        text = file.read_text("utf-8")
        names = [f"USPAttention.{name}" for name in METHODS if f"    def {name}(" in text]
        names += [name for name in ("_count_active_replicated_modes", WRAPS) if f"def {name}(" in text]
        module = functions(file, names, namespace)
        if WRAPS in module:  # what the end of the file does
            module["forward"] = module[WRAPS](module["forward"])
        return module

    def _bind(self, module: dict[str, Any], release: str, choice: str | None) -> None:
        """Put a slot in the place of every function that a binding has a replacement for."""
        for name, compose in _composes(release).items() if choice else ():
            if name in module and name not in self.slots:
                slot = Slot(module[name], compose, source=inspect.unwrap(module[name]))
                slot.prepare(RUNTIME.plugins().implementations[HOOK][choice])()
                self.slots[name] = slot
                module[name] = slot.bound

    def took(self) -> dict[str, int]:
        """Return how often each of our slots did the work, the declined calls left out; by name, those that did any."""
        counts = {name: slot.counts()[slot.choice] for name, slot in self.slots.items()}
        return {name: count.calls - count.declines for name, count in counts.items() if count.calls > count.declines}


@functools.cache
def _composes(release: str) -> dict[str, Callable[..., Any]]:
    """The adapter's compose functions of a release, by the name of what they replace."""
    found = {}
    for binding in ADAPTER.bindings:
        form = next((form for form in binding.forms if SpecifierSet(form.releases).contains(release)), None)
        if binding.hook == HOOK and form is not None and form.compose is not None:
            found[binding.targets[0].split(":")[1].rpartition(".")[2]] = form.compose[0]
    return found


def _all_gather(x: torch.Tensor, dim: int) -> torch.Tensor:
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x)
    return torch.cat(parts, dim)


def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, metadata: None) -> torch.Tensor:
    k, v = (x.repeat_interleave(q.shape[2] // x.shape[2], dim=2) for x in (k, v))
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(dim=-1)
    return (weights @ v).transpose(1, 2)
