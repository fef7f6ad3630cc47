"""SGLang's Ulysses exchange: one tensor, Q, K and V together, and the attention layers that ask for them one by one."""

from __future__ import annotations

from . import attention, replicated, replicated_kv, turbo, usp, usp_qkv

BINDINGS = (
    usp.BINDING,
    usp_qkv.BINDING,
    turbo.BINDING,
    attention.BINDING,
    replicated.PREFIX,
    replicated.SUFFIX,
    replicated_kv.BINDING,
)
