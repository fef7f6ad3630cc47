"""On PYTHONPATH in every process of an SGLang engine in the dry run: PyTorch's form of its kernels, and counts of the denoising.

SGLang writes most operators twice, for CUDA's kernels and in PyTorch; the second form is what a platform without kernels runs. It
runs here, on CUDA tensors, because only operators of ATen have values. Each rank reports to ``PROBE_FOLDER`` what a request cost;
``PROBE_HOOKS`` names the hooks whose calls are told, and ``PROBE_BEGUN`` when the engine was started.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

RUNTIME = "sglang.multimodal_gen.runtime"
TRITON = ("sglang.jit_kernel.diffusion.triton", "sglang.kernels.ops.diffusion.triton")
"""Where kernels with a fallback are: in 0.5.11, and in 0.5.17."""


def use_the_form_in_pytorch(module: ModuleType, imported: frozenset[str]) -> None:
    """Let every custom operator dispatch to ``forward_native``."""
    module.CustomOp.dispatch_forward = lambda self: self.forward_native  # type: ignore[attr-defined]


def select_the_form_in_pytorch(module: ModuleType, imported: frozenset[str]) -> None:
    """Let a function with a Triton kernel be its fallback, as on a platform without Triton (0.5.23)."""
    module.select_impl = lambda triton, **fallbacks: fallbacks.get("mps", triton)  # type: ignore[attr-defined]


def replace_triton(module: ModuleType, imported: frozenset[str]) -> None:
    """The same up to 0.5.17, which assigns the fallbacks at the end of each module."""
    fallbacks = importlib.import_module(f"{module.__package__}.torch_fallback")
    for name in vars(module).copy():
        if hasattr(fallbacks, f"{name}_native"):
            setattr(module, name, getattr(fallbacks, f"{name}_native"))


def merge_heads_in_pytorch(module: ModuleType, imported: frozenset[str]) -> None:
    """Do what the kernel of 0.5.17 after an exchange does, which has no fallback."""
    module.usp_merge_heads = lambda x: x.permute(2, 1, 0, 3, 4).contiguous()  # type: ignore[attr-defined]


def use_no_fused_kernels(module: ModuleType, imported: frozenset[str]) -> None:
    """Let a module take the path of the other platforms, without kernels for CUDA."""
    module._is_cuda = False  # type: ignore[attr-defined]


def never(*names: str) -> Callable[[ModuleType, frozenset[str]], None]:
    """Let functions that ask whether a kernel can be used say no."""

    def watched(module: ModuleType, imported: frozenset[str]) -> None:
        for name in names:
            setattr(module, name, lambda *arguments, **options: False)

    return watched


def do_without_compilers(module: ModuleType, imported: frozenset[str]) -> None:
    """Let no fused kernel be used, and let one be imported whose compiler (CuTe DSL, FlashInfer) is not installed."""
    upstream = getattr(module, "__getattr__", None)
    if upstream is None:  # 0.5.17, which imports no kernel before it is used
        return

    def found(name: str) -> Any:
        if name.startswith("can_use_"):
            return lambda *arguments, **options: False
        try:
            return upstream(name)
        except ImportError as error:
            missing = error

        def kernel(*arguments: Any, **options: Any) -> Any:
            raise NotImplementedError(f"{name} was called, which cannot be compiled here: {missing}")

        return kernel

    module.__getattr__ = found  # type: ignore[method-assign]


def count_requests(module: ModuleType, imported: frozenset[str]) -> None:
    """Report each request of this rank."""
    from measuring import Measurement, about, torch

    upstream = module.ComposedPipelineBase.forward
    number = 0

    def forward(self: Any, batch: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal number
        started = time.time() - float(os.environ["PROBE_BEGUN"])
        by_hook = {hook: Measurement(hook) for hook in os.environ["PROBE_HOOKS"].split(",")}
        everything = Measurement(None)
        steps = batch.num_inference_steps
        with everything.steps(steps):
            result = upstream(self, batch, *arguments, **options)
        calls = {hook: one.told()["calls"] for hook, one in by_hook.items()}
        said = {"about": {**about(), "start_seconds": round(started, 1)}, **everything.told(), "steps": steps, "calls": calls}
        Path(os.environ["PROBE_FOLDER"], f"request-{number}-{torch.distributed.get_rank()}.json").write_text(json.dumps(said))
        number += 1
        return result

    module.ComposedPipelineBase.forward = forward  # type: ignore[attr-defined]


if "PROBE_FOLDER" in os.environ:
    from syncfree._import_hook import PostImportFinder

    finder = PostImportFinder()
    finder.watch("sglang.kernels.ops.diffusion.common.platform", select_the_form_in_pytorch)
    for package, name in itertools.product(TRITON, ("norm", "rmsnorm_onepass", "rotary", "scale_shift")):
        finder.watch(f"{package}.{name}", replace_triton)
    finder.watch("sglang.kernels.ops.diffusion", do_without_compilers)
    finder.watch("sglang.kernels.ops.diffusion.layout.usp_relayout_jit", never("can_use_usp_merge_heads"))
    finder.watch(f"{RUNTIME}.layers.parallel_conv", never("_can_fuse_causal_conv3d_cat_pad"))
    finder.watch("sglang.kernels.ops.diffusion.usp_relayout", merge_heads_in_pytorch)
    finder.watch(f"{RUNTIME}.layers.usp", never("_can_use_packed_qkv_a2a_4d"))
    finder.watch(f"{RUNTIME}.layers.custom_op", use_the_form_in_pytorch)
    for name in ("models.dits.wanvideo", "layers.visual_embedding"):
        finder.watch(f"{RUNTIME}.{name}", use_no_fused_kernels)
    finder.watch(f"{RUNTIME}.pipelines_core.composed_pipeline_base", count_requests)
