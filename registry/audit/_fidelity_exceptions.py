"""Operators of PyTorch's test database with known differences between the CPU and the simulated device, and why."""

from __future__ import annotations

UNDEFINED = "its result is uninitialised memory"
_DIVISION = "divides by a number of the host, which CUDA's kernel does by multiplying with its reciprocal"
_STORAGE = "reads memory outside its input's view, which the upload to the device leaves behind"

EXCEPTIONS: dict[str, str] = {
    "as_strided.partial_views": _STORAGE,
    "empty": UNDEFINED,
    "empty_like": UNDEFINED,
    "empty_permuted": UNDEFINED,
    "empty_strided": UNDEFINED,
    "gradient": _DIVISION,
    "new_empty": UNDEFINED,
    "new_empty_strided": UNDEFINED,
    "nn.functional.binary_cross_entropy": f"backward {_DIVISION}",
    "nn.functional.binary_cross_entropy_with_logits": f"backward {_DIVISION}",
    "nn.functional.multilabel_soft_margin_loss": f"backward {_DIVISION}",
    "pca_lowrank": f"backward {_DIVISION}",
    "renorm": "backward accumulates in float32 on CUDA and in float64 on the CPU",
    "sparse.mm.reduce": "sparse tensors are not supported",
    "tensor_split": "wants its index tensor on the CPU on every device; the comparison uploads every tensor",
}

ON_GPU_BUILDS: dict[str, str] = {
    "nn.functional.rms_norm": "backward is one fused formula on CUDA, which torch's decomposition computes in another order",
}
"""Further differences in a torch that was built for CUDA, where some operators are not composed of others."""

FROM_2_14: dict[str, str] = {
    "nn.functional.scaled_dot_product_attention": "one fused kernel on the CPU since torch 2.14; on the device composed of others",
}
"""Further differences in torch 2.14 and later."""
