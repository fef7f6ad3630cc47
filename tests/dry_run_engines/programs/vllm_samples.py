"""Give sampled tokens to a vLLM engine whose kernels compute nothing, as without them requests do not advance."""

from __future__ import annotations

import importlib
from typing import Any

import torch

from syncfree.audit.dry_run._host_tensors import host

TOKEN = 67
"""The sampling parameters of every request."""


def give_tokens(v2: bool) -> None:
    """Replace the sampled ids of a model runner; under V2 also the number of sampled tokens, which a kernel computes too."""
    if not v2:
        from vllm.v1.sample.sampler import Sampler

        _after(Sampler, "forward", lambda output: _fill(output.sampled_token_ids, TOKEN))
        return
    from vllm.v1.worker.gpu.sample.sampler import Sampler

    _after(Sampler, "__call__", lambda output: _fill(output.sampled_token_ids, TOKEN))
    name = "get_num_sampled_and_rejected"
    modules = map(importlib.import_module, ("vllm.v1.worker.gpu.sample.sampler", "vllm.v1.worker.gpu.model_runner"))
    (module, *_) = (module for module in modules if hasattr(module, name))
    _after(module, name, lambda numbers: (_fill(numbers[0], 1), _fill(numbers[1], 0)))


def _fill(tensor: torch.Tensor, value: int) -> None:
    host(tensor).fill_(value)


def _after(owner: Any, name: str, change: Any) -> None:
    function = getattr(owner, name)

    def changed(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        change(result)
        return result

    setattr(owner, name, changed)
