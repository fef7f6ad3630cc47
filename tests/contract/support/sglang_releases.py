"""Functions of real SGLang releases, taken out of their sources, beside the adapter's replacements of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from syncfree.adapting import Binding
from tests.environments import unpacked

from .bound_class import form_of
from .upstream_source import functions


def upstream(binding: Binding, release: str, namespace: dict[str, Any], *used: str) -> Callable[..., Any]:
    """The real target of a release; what it uses must be in `namespace`, or be named in `used`, from the same file."""
    module, qualname = binding.targets[0].split(":")
    file = (unpacked("sglang", release) / Path(*module.split("."))).with_suffix(".py")
    found = functions(file, [qualname, *used], {"torch": torch, **namespace})[qualname.rpartition(".")[2]]
    return found.__func__ if isinstance(found, staticmethod) else found  # type: ignore[no-any-return]


def ours(
    binding: Binding, release: str, implementation: Callable[..., Any], original: Callable[..., Any]
) -> Callable[..., Any]:
    """The adapter's replacement of that target in that release."""
    form = form_of(binding, release)
    assert form.compose is not None
    return form.compose[0](implementation, original)
