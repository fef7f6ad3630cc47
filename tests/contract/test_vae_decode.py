"""`vae_decode`: ours against the reference and against real SGLang releases."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from syncfree.adapters.sglang.vae_decode import BINDING
from syncfree.hooks.vae_decode import HOOK, inputs
from syncfree.plugins.sync_free.vae_decode import vae_decode

from .support.sglang_releases import ours, upstream
from .support.usp_on_ranks import identical

EXAMPLES = settings(max_examples=60, deadline=None)  # the first example may fetch the release


@given(arguments=inputs())
@EXAMPLES
def test_a_clip_put_together_once_is_the_reference_s(arguments: dict[str, Any]) -> None:
    assert identical(vae_decode(**arguments), HOOK.reference(**arguments))


class TinyVAE:
    """The part of itself that ``AutoencoderKLWan.decode`` uses, with a decoder that keeps state from chunk to chunk."""

    def __init__(self, dtype: torch.dtype, patch_size: int | None, state: SimpleNamespace) -> None:
        self.use_feature_cache = True
        self.config = SimpleNamespace(patch_size=patch_size)
        self._dtype, self._state = dtype, state
        self.log: list[str] = []
        self.clear_cache()

    def clear_cache(self) -> None:
        self._feat_map: list[torch.Tensor] = []
        self._conv_idx = 0
        self.log.append("cleared")

    def post_quant_conv(self, z: torch.Tensor) -> torch.Tensor:
        return z * 1.5

    def decoder(self, x: torch.Tensor) -> torch.Tensor:
        self.log.append(f"chunk at {self._state.feat_idx.value}, first {self._state.first_chunk.value}")
        x = x + sum(self._feat_map)
        self._feat_map.append(x.mean(dim=2, keepdim=True))
        return x.repeat_interleave(1 if self._state.first_chunk.value else 4, dim=2).to(self._dtype)


class Setting:
    def __init__(self) -> None:
        self.value: Any = None

    def set(self, value: Any) -> None:
        self.value = value


@contextmanager
def forward_context(feat_cache_arg: Any, feat_idx_arg: Any) -> Any:
    yield


@pytest.mark.parametrize("patch_size", [None, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("chunks", [1, 2, 5])
@pytest.mark.parametrize("release", ["0.5.9", "0.5.11", "0.5.12.post1"])
def test_decoding_gives_the_release_s_bytes(release: str, chunks: int, dtype: torch.dtype, patch_size: int | None) -> None:
    state = SimpleNamespace(feat_idx=Setting(), first_chunk=Setting())
    namespace = {
        "feat_idx": state.feat_idx,
        "first_chunk": state.first_chunk,
        "forward_context": forward_context,
        "unpatchify": lambda clip, patch_size: clip.unflatten(1, (-1, patch_size)).movedim(2, -1).flatten(-2),
    }
    original = upstream(BINDING, release, namespace)
    replaced = ours(BINDING, release, vae_decode, original)
    z = torch.randn(1, 4, chunks, 3, 2, generator=torch.Generator().manual_seed(0))
    theirs, mine = (TinyVAE(dtype, patch_size, state) for _ in range(2))
    assert identical(replaced(mine, z.clone()), original(theirs, z.clone()))
    assert mine.log == theirs.log


def test_tiled_decoding_stays_upstream_s() -> None:
    original = upstream(BINDING, "0.5.11", {})
    replaced = ours(BINDING, "0.5.11", vae_decode, original)
    assert replaced(SimpleNamespace(use_feature_cache=False), torch.zeros(1)) is NotImplemented
