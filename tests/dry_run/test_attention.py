"""PyTorch's fused attention, by FlashAttention, in little memory and by cuDNN: its values, gradients, launches and waits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from syncfree.audit import audit
from syncfree.audit.dry_run import Values

BACKENDS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION]
GROUPS = {"enable_gqa": True}
CASES = [
    (backend, options)
    for backend in BACKENDS
    for options in ({}, {"is_causal": True}, {"scale": 0.3}, GROUPS)
    if (backend, options) != (SDPBackend.EFFICIENT_ATTENTION, GROUPS)  # which takes no groups of queries
]


def heads(number: int) -> torch.Tensor:
    return torch.randn(2, number, 16, 64, dtype=torch.float16)


def computed(tensors: list[torch.Tensor], mask: torch.Tensor | None, **options: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the output, and the gradients of its sum of squares, in float32 on the host."""
    leaves = [tensor.detach().requires_grad_() for tensor in tensors]
    output = scaled_dot_product_attention(*leaves, attn_mask=mask, **options)
    output.float().square().sum().backward()
    return output.detach().cpu().float(), [leaf.grad.cpu().float() for leaf in leaves if leaf.grad is not None]


@pytest.mark.parametrize(("backend", "options"), CASES, ids=str)
def test_attention_has_its_values_and_gradients(backend: SDPBackend, options: dict[str, Any]) -> None:
    of_keys = 2 if options == GROUPS else 4
    tensors = [heads(4), heads(of_keys), heads(of_keys)]
    expected, expected_gradients = computed([tensor.float() for tensor in tensors], None, **options)
    with Values() as values, sdpa_kernel(backend):
        output, gradients = computed([tensor.to("cuda") for tensor in tensors], None, **options)
    torch.testing.assert_close(output, expected, rtol=0.0, atol=4e-3)
    assert len(gradients) == 3
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=2e-3, atol=2e-2)
    assert not values.missing


@pytest.mark.parametrize("backend", [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION], ids=lambda backend: backend.name)
def test_a_mask_is_part_of_the_values(backend: SDPBackend) -> None:
    tensors, mask = [heads(4) for _ in range(3)], torch.randn(2, 1, 16, 16, dtype=torch.float16)
    expected, expected_gradients = computed([tensor.float() for tensor in tensors], mask.float())
    with Values() as values, sdpa_kernel(backend):
        output, gradients = computed([tensor.to("cuda") for tensor in tensors], mask.to("cuda"))
    torch.testing.assert_close(output, expected, rtol=0.0, atol=4e-3)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=2e-3, atol=2e-2)
    assert not values.missing


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
def test_attention_by_name_launches_kernels_and_does_not_wait(backend: SDPBackend) -> None:
    tensors = [heads(4).to("cuda") for _ in range(3)]
    with sdpa_kernel(backend):
        computed(tensors, None)  # handles, and cuDNN's plan
        with audit(budget=0, launches=True) as report:
            scaled_dot_product_attention(*tensors)
    assert sum(report.activities.values()) > 0
