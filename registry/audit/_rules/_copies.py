"""Operations that copy between host and device."""

from __future__ import annotations

from .._events import Kind
from ._rule import Rule

COPIES = (
    Rule(
        "tolist",
        '`x.tolist()`, `x.cpu()`, `x.to("cpu")`, `x.numpy()` after it',
        "yes",
        "blocking copy",
        'x.to("cpu", non_blocking=True) (torch pins it) and an event, read later after event.synchronize()',
        (Kind.D2H,),
    ),
    Rule(
        "tensor-from-host-data",
        '`torch.tensor(list, device="cuda")`, `torch.as_tensor(array, device="cuda")`, `x.new_tensor(list)`',
        "yes",
        "built on the CPU, then a blocking pageable copy",
        "torch.full, zeros or arange on the device; or a pinned tensor uploaded with non_blocking=True; or upload once and keep it",
        (Kind.H2D,),
        source=r"\b(tensor|as_tensor|new_tensor)\(",
    ),
    Rule(
        "store-into-0-dim",
        "`v[3] = 1`, `m[0][r] = 1` (the destination is 0-dim)",
        "yes",
        "`copy_` from a CPU 0-dim tensor",
        "store into a slice, v[3:4] = 1, which is a fill",
        (Kind.H2D,),
        ("aten::copy_",),
        source=r"\]\s*=[^=]",
        torch="<2.15",
    ),
    Rule(
        "index-put-python-number",
        "`x[cuda_index] = 1`, `x[cpu_mask] = 1`",
        "yes",
        "`index_put_` uploads the value",
        "x.index_fill_(0, index, 1), or a mask on the device, or a device scalar that is kept",
        (Kind.H2D,),
        ("aten::_index_put_impl_", "aten::index_put_"),
        torch="<2.15",
    ),
    Rule(
        "host-index",
        "`x[[0, 2]]`, `x[cpu_index]`",
        "yes",
        "the index is uploaded",
        "an index that already is on the device, or narrow / a slice",
        (Kind.H2D,),
        ("aten::index",),
    ),
    Rule(
        "upload",
        '`cpu.to("cuda")`, `cpu.cuda()`; pinned memory too, because `non_blocking=False`',
        "yes",
        "copy and wait",
        'pinned memory and .to("cuda", non_blocking=True); or upload once and index views of it',
        (Kind.H2D,),
    ),
    Rule(
        "upload-pageable-non-blocking",
        '`pageable.to("cuda", non_blocking=True)`, also from a pinned source that is not dense',
        "driver",
        "the driver stages it; `set_sync_debug_mode` does not see it",
        "pin the source; it must be dense",
        (Kind.STAGED,),
        source="",
    ),
    Rule(
        "download-pageable-non-blocking",
        "`pageable.copy_(x, non_blocking=True)`",
        "yes",
        "the driver returns when the copy is done; `set_sync_debug_mode` does not see it",
        "a pinned and dense destination, and an event before it is read",
        (Kind.STAGED,),
    ),
)
