"""Values of whole engines and of kernels in the dry run: vLLM built for CUDA computes what PyTorch and its build for the CPU compute."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environments import cuda_release, wheel

from .running import run
from .test_vllm import SHOWN, Engine, counted

COMPUTED = [Engine("0.32.0", runner, "eager", {"greedy": SHOWN["greedy"]}, values=True) for runner in (1, 2)]


@pytest.mark.parametrize("engine", COMPUTED, ids=str)
def test_greedy_tokens_are_those_of_the_cpu(engine: Engine, on_the_cpu: list[list[int]], tmp_path: Path) -> None:
    """In float16, because the attention kernels take no float32: bfloat16 is too coarse for two of 32 tokens."""
    found = counted(engine, tmp_path / "on", hooks=True, COMPUTED_TOKENS="1", DTYPE="float16")
    assert found["cases"]["greedy"]["generated"] == on_the_cpu
    assert len({token for tokens in on_the_cpu for token in tokens}) > 8


def test_the_kernel_for_top_k_and_top_p_keeps_the_logits_that_pytorch_keeps(tmp_path: Path) -> None:
    """The kernel calls methods of a loop's variable, and of what it computed from one."""
    python = cuda_release("vllm", "0.32.0", wheel())
    found = run(python, "vllm_top_k_top_p", tmp_path, hooks=False, values=True)
    assert found["kept"]["device"] == found["kept"]["host"]
    assert all(0 < len(row) < 1000 for row in found["kept"]["host"])
    assert found["about"]["unreal"] == []
