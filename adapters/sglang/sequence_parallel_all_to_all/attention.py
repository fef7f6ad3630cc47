"""SGLang's Ulysses attention, ``USPAttention.forward``: Q, K and V exchanged in one call.

Each replacement repeats upstream's few lines with one call for three tensors in the place of three, and declines every other
path of the method. From 0.5.16 the end of the module wraps the method for breakable CUDA graphs, and the wrapper is what is
replaced; from 0.5.18 the method exchanges through a function of its own (`usp_qkv`).
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from syncfree.adapting import Form

from ._qkv import THREE, Exchange, Method, attention_binding, gather, is_ulysses_alone, usp_of

if TYPE_CHECKING:
    import torch


def _attend(exchange: Exchange, module: dict[str, Any], self: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
    """The path without mask and without replicated tokens."""
    metadata = module["get_forward_context"]().attn_metadata
    gathered = gather(exchange, usp_of(module), q, k, v)
    if gathered is NotImplemented:
        return NotImplemented
    return module["_usp_output_all_to_all"](self.attn_impl.forward(*gathered, metadata), head_dim=2)


def _attend_masked(
    exchange: Exchange,
    module: dict[str, Any],
    self: Any,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    keys: torch.Tensor,
) -> Any:
    """The path with a mask ``[b, s]`` of keys, of 0.5.11 and 0.5.12; the mask is gathered after Q, K and V."""
    if keys.dim() != 2:
        return NotImplemented
    gathered = gather(exchange, usp_of(module), q, k, v)
    if gathered is NotImplemented:
        return NotImplemented
    q, k, v = (x.transpose(1, 2) for x in gathered)
    torch = module["torch"]
    everywhere = module["sequence_model_parallel_all_gather"](keys.contiguous(), dim=1).to(q.device)
    mask = everywhere.to(q.dtype)[:, None, None, :]
    if not torch.is_floating_point(everywhere):
        mask = (mask - 1.0) * torch.finfo(q.dtype).max
    cudnn = getattr(self, "allow_cudnn_sdp", False) and q.is_cuda  # from 0.5.12
    with module["sdpa_kernel"](module["_PYTORCH_DEFAULT_CUDA_SDP_BACKENDS"]) if cudnn else nullcontext():
        out = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=0.0, is_causal=False, scale=self.softmax_scale
        )
    return module["_usp_output_all_to_all"](out.transpose(1, 2), head_dim=2)


def _compose(exchange: Exchange, upstream: Method) -> Method:
    """The releases in which an option, whichever it is, leads to another path of the method."""
    module, asked = upstream.__globals__, upstream.__code__.co_names
    may_skip = "skip_sequence_parallel" in asked  # from 0.5.10
    may_pack = "enable_packed_qkv_input_a2a" in asked  # from 0.5.15, on CUDA: `turbo`

    def forward(self: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *options: Any) -> Any:
        if (may_skip and self.skip_sequence_parallel) or not is_ulysses_alone(module):
            return NotImplemented
        if _has_option(options) or (may_pack and q.is_cuda and self.enable_packed_qkv_input_a2a):
            return NotImplemented
        return _attend(exchange, module, self, q, k, v)

    return forward


def _compose_masked(exchange: Exchange, upstream: Method) -> Method:
    """0.5.11 and 0.5.12."""
    module = upstream.__globals__

    def forward(
        self: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        attn_mask: torch.Tensor | None,
        num_replicated_prefix: int,
        num_replicated_suffix: int,
        skip_sequence_parallel_override: bool,
    ) -> Any:
        if self.skip_sequence_parallel or skip_sequence_parallel_override:
            return NotImplemented
        if not is_ulysses_alone(module):
            return NotImplemented
        if attn_mask is not None:  # replicated tokens do not matter to upstream then
            return _attend_masked(exchange, module, self, q, k, v, attn_mask)
        if num_replicated_prefix or num_replicated_suffix:
            return NotImplemented
        return _attend(exchange, module, self, q, k, v)

    return forward


def _compose_breakable(exchange: Exchange, upstream: Method) -> Method:
    """0.5.16 and 0.5.17: while a breakable graph is captured, upstream's wrapper runs the method between two parts of it."""
    module = upstream.__globals__

    def forward(self: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *options: Any) -> Any:
        if module["is_in_breakable_cuda_graph"]() or self.skip_sequence_parallel or not is_ulysses_alone(module):
            return NotImplemented
        if _has_option(options) or (q.is_cuda and self.enable_packed_qkv_input_a2a):
            return NotImplemented
        return _attend(exchange, module, self, q, k, v)

    return forward


def _has_option(options: tuple[Any, ...]) -> bool:
    """Return whether one is given, whichever it is: each leads to another path."""
    return any(option is not None and (not isinstance(option, int) or option) for option in options)


_BREAKABLE = "_make_breakable_attention_forward"
BINDING = attention_binding(
    "forward",
    Form(">=0.5.9,<0.5.11", "repeats work", THREE, (_compose,)),
    Form(">=0.5.11,<0.5.13", "repeats work", THREE, (_compose_masked,)),
    Form(">=0.5.13,<0.5.16", "repeats work", THREE, (_compose,)),
    Form(">=0.5.16,<0.5.18", "repeats work", THREE, (_compose_breakable,), wrapped_by=_BREAKABLE),
    Form(">=0.5.18", "upstreamed", "exchanges Q, K and V through one function", None),
    depends=(_BREAKABLE,),
)
