"""`postprocess`: ours against the reference and against real SGLang releases."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings

from syncfree.adapters.sglang.postprocess import BINDING
from syncfree.hooks.postprocess import HOOK, inputs
from syncfree.plugins.sync_free.postprocess import postprocess

from .support.sglang_releases import ours, upstream
from .support.usp_on_ranks import identical

EXAMPLES = settings(max_examples=60, deadline=None)  # the first example may fetch the release


@given(arguments=inputs())
@EXAMPLES
def test_frames_scaled_in_place_are_the_reference_s(arguments: dict[str, Any]) -> None:
    expected = HOOK.reference(arguments["decoded"].clone())
    assert identical(postprocess(**arguments), expected)


@pytest.mark.parametrize("release", ["0.5.13", "0.5.23"])
@given(arguments=inputs())
@EXAMPLES
def test_frames_scaled_in_place_are_the_release_s(release: str, arguments: dict[str, Any]) -> None:
    original = upstream(BINDING, release, {})
    replaced = ours(BINDING, release, postprocess, original)
    assert identical(replaced(arguments["decoded"].clone()), original(arguments["decoded"].clone()))


def test_a_float32_clip_is_scaled_without_a_copy() -> None:
    decoded = torch.zeros(3)
    assert postprocess(decoded).data_ptr() == decoded.data_ptr()
