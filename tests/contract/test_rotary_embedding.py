"""`rotary_embedding`: ours against the reference and against real SGLang releases."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings

from syncfree.adapters.sglang.rotary_embedding import BINDING
from syncfree.hooks.rotary_embedding import HOOK, inputs
from syncfree.plugins.sync_free.rotary_embedding import rotary_embedding

from .support.sglang_releases import ours, upstream
from .support.usp_on_ranks import identical

EXAMPLES = settings(max_examples=60, deadline=None)  # the first example may fetch the release


@given(arguments=inputs())
@EXAMPLES
def test_rotating_gives_the_reference_s_bytes_and_changes_nothing(arguments: dict[str, Any]) -> None:
    before = {name: tensor.clone() for name, tensor in arguments.items()}
    expected = HOOK.reference(**arguments)
    assert all(map(identical, rotary_embedding(**arguments), expected))
    assert all(identical(arguments[name], before[name]) for name in before)


@pytest.mark.parametrize("release", ["0.5.13", "0.5.18", "0.5.23"])
@given(arguments=inputs())
@EXAMPLES
def test_rotating_gives_the_release_s_bytes(release: str, arguments: dict[str, Any]) -> None:
    original = upstream(BINDING, release, {})
    replaced = ours(BINDING, release, rotary_embedding, original)
    assert all(map(identical, replaced(**arguments), original(**arguments)))


def test_each_half_of_the_tables_is_sliced_once_for_queries_and_keys() -> None:
    """Upstream slices them for each of the two."""

    class Sliced(torch.Tensor):
        count = 0

        def __getitem__(self, key: Any) -> Any:
            Sliced.count += 1
            return super().__getitem__(key).as_subclass(torch.Tensor)

    q, k = torch.randn(1, 3, 4, 8), torch.randn(1, 3, 2, 8)
    cos, sin = torch.randn(2, 1, 3, 1, 8).as_subclass(Sliced).unbind()
    rotary_embedding(q, k, cos, sin)
    assert Sliced.count == 4
