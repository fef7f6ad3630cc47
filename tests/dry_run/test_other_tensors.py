"""Tensors that are more than numbers in memory have no values in a dry run, and are said to have none."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from syncfree.audit import audit, dry_run

pytestmark = pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor", "ignore:The PyTorch API of nested tensors")


@pytest.mark.parametrize(
    ("make", "operator"),
    [
        (lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8).dequantize(), "aten::quantize_per_tensor"),
        (lambda x: torch.nested.to_padded_tensor(torch.nested.nested_tensor([x, x[:2]]), 0.0), "aten::_nested_tensor_from_tensor_list"),
    ],
)
def test_a_quantized_or_nested_tensor_is_named_and_harms_nothing(make: Any, operator: str) -> None:
    with audit(), dry_run.Values(lambda what: None) as mode:
        result = make(torch.ones(3, device="cuda"))
    assert result.is_cuda
    assert next(iter(mode.missing)) == f"{operator}: a nested or quantized tensor"
