"""`rotary_embedding`, `vae_decode` and `postprocess`: ours against the references and against real SGLang releases."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from packaging.specifiers import SpecifierSet

from syncfree.adapters.sglang import qk_norm as qk_norm_adapter
from syncfree.adapters.sglang import rotary, vae
from syncfree.adapting import Binding
from syncfree.hooks import postprocess as postprocess_hook
from syncfree.hooks import qk_norm as qk_norm_hook
from syncfree.hooks import rotary_embedding as rotary_embedding_hook
from syncfree.hooks import vae_decode as vae_decode_hook
from syncfree.plugins.sync_free.postprocess import postprocess
from syncfree.plugins.sync_free.qk_norm import qk_norm
from syncfree.plugins.sync_free.rotary_embedding import rotary_embedding
from syncfree.plugins.sync_free.vae_decode import vae_decode
from tests.contract.upstream_source import functions
from tests.contract.usp_on_ranks import identical
from tests.environments import unpacked

EXAMPLES = settings(max_examples=60, deadline=None)  # the first example may fetch the release


def upstream(binding: Binding, release: str, namespace: dict[str, Any]) -> Callable[..., Any]:
    """The real target of a release; what it uses must be in `namespace`."""
    module, qualname = binding.targets[0].split(":")
    file = (unpacked("sglang", release) / Path(*module.split("."))).with_suffix(".py")
    found = functions(file, [qualname], {"torch": torch, **namespace})[qualname.rpartition(".")[2]]
    return found.__func__ if isinstance(found, staticmethod) else found  # type: ignore[no-any-return]


def ours(
    binding: Binding, release: str, implementation: Callable[..., Any], original: Callable[..., Any]
) -> Callable[..., Any]:
    form = next(form for form in binding.forms if SpecifierSet(form.releases).contains(release))
    assert form.compose is not None
    return form.compose[0](implementation, original)


@given(arguments=rotary_embedding_hook.inputs())
@EXAMPLES
def test_rotating_gives_the_reference_s_bytes_and_changes_nothing(arguments: dict[str, Any]) -> None:
    before = {name: tensor.clone() for name, tensor in arguments.items()}
    expected = rotary_embedding_hook.reference(**arguments)
    assert all(map(identical, rotary_embedding(**arguments), expected))
    assert all(identical(arguments[name], before[name]) for name in before)


@pytest.mark.parametrize("release", ["0.5.13", "0.5.18", "0.5.23"])
@given(arguments=rotary_embedding_hook.inputs())
@EXAMPLES
def test_rotating_gives_the_release_s_bytes(release: str, arguments: dict[str, Any]) -> None:
    original = upstream(rotary.BINDING, release, {})
    replaced = ours(rotary.BINDING, release, rotary_embedding, original)
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


@given(arguments=qk_norm_hook.inputs())
@EXAMPLES
def test_normalized_queries_and_keys_are_the_reference_s(arguments: dict[str, Any]) -> None:
    expected = qk_norm_hook.reference(**arguments)
    assert all(map(identical, qk_norm(**arguments), expected))


@pytest.mark.parametrize("release", ["0.5.13", "0.5.17", "0.5.20", "0.5.23"])
@given(arguments=qk_norm_hook.inputs().filter(lambda arguments: arguments["q"].shape[-1] % 2 == 0))
@EXAMPLES
def test_normalized_and_rotated_queries_and_keys_are_the_release_s(release: str, arguments: dict[str, Any]) -> None:
    q, k = arguments["q"], arguments["k"]
    layers = unpacked("sglang", release) / "sglang/multimodal_gen/runtime/layers/layernorm.py"
    namespace = {"torch": torch, "Tuple": tuple, "_is_cuda": False, "_is_rocm": False}
    functions(layers, ["apply_qk_norm"], namespace)
    calls = []
    namespace["_apply_qwen3_rope_from_cache"] = lambda q, k, table: calls.append(table) or (q + table, k - table)
    original = upstream(qk_norm_adapter.BINDING, release, namespace)
    replaced = ours(qk_norm_adapter.BINDING, release, qk_norm, original)
    norms = [RMSNorm(arguments["q_weight"], arguments["eps"]), RMSNorm(arguments["k_weight"], arguments["eps"])]
    expected = original(q.clone(), k.clone(), *norms, q.shape[-1], 0.5)
    assert all(map(identical, replaced(q.clone(), k.clone(), *norms, q.shape[-1], 0.5), expected))
    assert calls == [0.5, 0.5]


class RMSNorm:
    """What ``apply_qk_norm`` uses of SGLang's layer."""

    def __init__(self, weight: torch.Tensor, eps: float) -> None:
        self.weight, self.variance_epsilon = weight, eps

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.rms_norm(rows, self.weight.shape, self.weight, self.variance_epsilon)


@given(arguments=vae_decode_hook.inputs())
@EXAMPLES
def test_a_clip_put_together_once_is_the_reference_s(arguments: dict[str, Any]) -> None:
    assert identical(vae_decode(**arguments), vae_decode_hook.reference(**arguments))


class TinyVAE:
    """What ``AutoencoderKLWan.decode`` uses of itself, with a decoder that keeps state from chunk to chunk."""

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
    original = upstream(vae.DECODE, release, namespace)
    replaced = ours(vae.DECODE, release, vae_decode, original)
    z = torch.randn(1, 4, chunks, 3, 2, generator=torch.Generator().manual_seed(0))
    theirs, mine = (TinyVAE(dtype, patch_size, state) for _ in range(2))
    assert identical(replaced(mine, z.clone()), original(theirs, z.clone()))
    assert mine.log == theirs.log


def test_tiled_decoding_stays_upstream_s() -> None:
    original = upstream(vae.DECODE, "0.5.11", {})
    replaced = ours(vae.DECODE, "0.5.11", vae_decode, original)
    assert replaced(SimpleNamespace(use_feature_cache=False), torch.zeros(1)) is NotImplemented


@given(arguments=postprocess_hook.inputs())
@EXAMPLES
def test_frames_scaled_in_place_are_the_reference_s(arguments: dict[str, Any]) -> None:
    expected = postprocess_hook.reference(arguments["decoded"].clone())
    assert identical(postprocess(**arguments), expected)


@pytest.mark.parametrize("release", ["0.5.13", "0.5.23"])
@given(arguments=postprocess_hook.inputs())
@EXAMPLES
def test_frames_scaled_in_place_are_the_release_s(release: str, arguments: dict[str, Any]) -> None:
    original = upstream(vae.POSTPROCESS, release, {})
    replaced = ours(vae.POSTPROCESS, release, postprocess, original)
    assert identical(replaced(arguments["decoded"].clone()), original(arguments["decoded"].clone()))


def test_a_float32_clip_is_scaled_without_a_copy() -> None:
    decoded = torch.zeros(3)
    assert postprocess(decoded).data_ptr() == decoded.data_ptr()
