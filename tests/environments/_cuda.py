"""Frameworks as they are built for CUDA, for the dry run: released wheels on torch for CUDA, without NVIDIA's libraries.

Their pure-Python dependencies are those of the environment for the CPU; the dry run stands in for NVIDIA's libraries.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from ._build import pip
from ._cache import cache_root, content_key, made_once
from ._overlay import cuda_torch, overlay

_WITH_TORCH = {
    "2.11.0": ("triton===3.6.0", "torchvision===0.26.0"),
    "2.13.0": ("triton===3.7.1", "torchvision===0.28.0"),
    "2.14.1": (),
}
"""What torch itself asks for, and the torchvision that is built for it; without, those of the environment for the CPU."""


@dataclass(frozen=True, slots=True)
class _CudaRelease:
    """A release for CUDA: `requirements` are installed without their dependencies, over the environment `base`."""

    base: str
    torch: str
    requirements: tuple[str, ...]


_OLDER = ("gguf===0.19.0", "openai-harmony===0.0.8", "blake3===1.0.8")
_RELEASES = {
    ("vllm", "0.20.2"): _CudaRelease("vllm-0.32.0", "2.11.0", ("vllm===0.20.2", *_OLDER)),
    ("vllm", "0.21.0"): _CudaRelease("vllm-0.32.0", "2.11.0", ("vllm===0.21.0", *_OLDER)),
    ("vllm", "0.28.0"): _CudaRelease("vllm-0.32.0", "2.13.0", ("vllm===0.28.0", "blake3===1.0.8")),
    ("vllm", "0.30.0"): _CudaRelease("vllm-0.32.0", "2.13.0", ("vllm===0.30.0", "blake3===1.0.8")),
    ("vllm", "0.32.0"): _CudaRelease("vllm-0.32.0", "2.13.0", ("vllm===0.32.0", "blake3===1.0.8")),
    ("vllm", "0.33.0"): _CudaRelease(
        "vllm-0.32.0", "2.14.1", ("vllm===0.33.0", "blake3===1.0.8", "triton===3.8.0", "torchvision===0.29.1")
    ),
    ("sglang", "0.5.11"): _CudaRelease("sglang-0.5.11", "2.11.0", ("sglang-kernel==0.4.2",)),
    ("sglang", "0.5.17"): _CudaRelease(
        "sglang-0.5.11",
        "2.11.0",
        ("sglang===0.5.17", "sglang-kernel==0.4.5", "flashinfer-python===0.6.15.post1", "nvidia-ml-py==13.615.71"),
    ),
    ("sglang", "0.5.20"): _CudaRelease(
        "sglang-0.5.11", "2.13.0", ("sglang===0.5.20", "sglang-kernel==0.4.7", "flashinfer-python===0.6.18")
    ),
    ("sglang", "0.5.23"): _CudaRelease("sglang-0.5.23", "2.14.1", ("sglang-kernel==0.4.10",)),
}


def cuda_releases(framework: str) -> list[str]:
    """Return the releases of a framework that `cuda_release` can make."""
    return [version for name, version in _RELEASES if name == framework]


def cuda_release(framework: str, version: str, *installs: str | Path, directory: Path | None = None) -> Path:
    """Return the Python of an overlay that has a release as it is built for CUDA; `installs` and `directory` as in `overlay`.

    A gigabyte or two stay in the cache. Raises `ValueError` for a release that was not tried.
    """
    found = _RELEASES.get((framework, version))
    if found is None:
        raise ValueError(f"no {framework} {version} for CUDA; known: {', '.join(cuda_releases(framework)) or 'none'}")
    sets = {framework: found.requirements, f"torch-{found.torch}-needs": _WITH_TORCH[found.torch]}
    before = [_installed(name, *requirements) for name, requirements in sets.items() if requirements]
    return overlay(found.base, *installs, before=(*before, *cuda_torch(found.torch)), directory=directory)


def _installed(name: str, *requirements: str) -> Path:
    def make(target: Path) -> None:
        pip(sys.executable, "install", "--no-deps", "--no-compile", "--no-cache-dir", "--target", target, *requirements)

    return made_once(cache_root() / "cuda" / f"{name}-{content_key(requirements)}", make)
