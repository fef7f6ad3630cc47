"""Virtual environments with the real frameworks, made once and cached; `python -m tests.environments` is the command line.

Needs only Python 3.11's standard library, so that it works in a fresh clone.
"""

from __future__ import annotations

from ._build import BuildError, build, pip, python_of
from ._cache import CACHE_VARIABLE, cache_root, content_key, made_once
from ._cuda import cuda_release, cuda_releases
from ._overlay import cuda_torch, develop, overlay, release
from ._specs import load, names
from ._wheels import copy_sources, unpacked, vllm_hybrid, wheel

__all__ = [
    "CACHE_VARIABLE",
    "BuildError",
    "build",
    "cache_root",
    "content_key",
    "copy_sources",
    "cuda_torch",
    "cuda_release",
    "cuda_releases",
    "develop",
    "load",
    "made_once",
    "names",
    "overlay",
    "pip",
    "python_of",
    "release",
    "unpacked",
    "vllm_hybrid",
    "wheel",
]
