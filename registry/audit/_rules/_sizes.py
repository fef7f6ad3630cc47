"""Operations whose result has a size that only the device knows, and explicit waits."""

from __future__ import annotations

from .._events import Kind
from ._rule import Rule

SIZES = (
    Rule(
        "boolean-mask-read",
        "`x[mask]`, `x[mask] = tensor`",
        "yes",
        "`nonzero`",
        "torch.where, masked_fill or masked_scatter",
        (Kind.DATA_SHAPE,),
        ("aten::nonzero", "aten::_index_put_impl_", "aten::index_put_"),
        source=r"\[[^\]]+\]",
    ),
    Rule(
        "repeat-interleave",
        "`torch.repeat_interleave(x, tensor)`",
        "yes",
        "reads the sum of the repeats",
        "pass output_size=",
        (Kind.DATA_SHAPE,),
        ("aten::repeat_interleave",),
    ),
    Rule(
        "equal",
        "`torch.equal`",
        "yes",
        "its answer is a Python bool",
        "(a == b).all() kept on the device",
        (Kind.DATA_SHAPE,),
        ("aten::equal",),
    ),
    Rule(
        "data-dependent-shape",
        "`nonzero`, one-argument `where`, `masked_select`, `unique*`, `bincount`, `histc`, `isin` with many test elements, "
        "`mode` of more than 2048",
        "yes",
        "the size of the result, or a bound of its bins, is data",
        "a form of fixed size: mask with torch.where, topk or sort, scatter_add_ into a known number of bins",
        (Kind.DATA_SHAPE,),
    ),
    Rule(
        "explicit-wait",
        "`event.synchronize()`, `stream.synchronize()`, `torch.cuda.synchronize()`",
        "yes",
        "explicit; `set_sync_debug_mode` does not see event and device waits",
        "move it off the hot path: wait where the value is used, or let streams wait for each other",
        (Kind.WAIT,),
    ),
)
