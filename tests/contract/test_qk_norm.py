"""`qk_norm`: ours against the reference and against real SGLang releases."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings

from syncfree.adapters.sglang.qk_norm import BINDING
from syncfree.hooks.qk_norm import HOOK, inputs
from syncfree.plugins.sync_free.qk_norm import qk_norm
from tests.environments import unpacked

from .support.sglang_releases import ours, upstream
from .support.upstream_source import functions
from .support.usp_on_ranks import identical

EXAMPLES = settings(max_examples=60, deadline=None)  # the first example may fetch the release


@given(arguments=inputs())
@EXAMPLES
def test_normalized_queries_and_keys_are_the_reference_s(arguments: dict[str, Any]) -> None:
    expected = HOOK.reference(**arguments)
    assert all(map(identical, qk_norm(**arguments), expected))


@pytest.mark.parametrize("release", ["0.5.13", "0.5.17", "0.5.20", "0.5.23"])
@given(arguments=inputs().filter(lambda arguments: arguments["q"].shape[-1] % 2 == 0))
@EXAMPLES
def test_normalized_and_rotated_queries_and_keys_are_the_release_s(release: str, arguments: dict[str, Any]) -> None:
    q, k = arguments["q"], arguments["k"]
    layers = unpacked("sglang", release) / "sglang/multimodal_gen/runtime/layers/layernorm.py"
    namespace = {"torch": torch, "Tuple": tuple, "_is_cuda": False, "_is_rocm": False}
    functions(layers, ["apply_qk_norm"], namespace)
    calls = []
    namespace["_apply_qwen3_rope_from_cache"] = lambda q, k, table: calls.append(table) or (q + table, k - table)
    original = upstream(BINDING, release, namespace)
    replaced = ours(BINDING, release, qk_norm, original)
    norms = [RMSNorm(arguments["q_weight"], arguments["eps"]), RMSNorm(arguments["k_weight"], arguments["eps"])]
    expected = original(q.clone(), k.clone(), *norms, q.shape[-1], 0.5)
    assert all(map(identical, replaced(q.clone(), k.clone(), *norms, q.shape[-1], 0.5), expected))
    assert calls == [0.5, 0.5]


class RMSNorm:
    """The part of SGLang's layer that ``apply_qk_norm`` uses."""

    def __init__(self, weight: torch.Tensor, eps: float) -> None:
        self.weight, self.variance_epsilon = weight, eps

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.rms_norm(rows, self.weight.shape, self.weight, self.variance_epsilon)
