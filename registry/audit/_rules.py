"""The rule table: which operation makes the host wait, why, and what gives the same value without waiting.

``docs/sync-rules.md`` is generated from it, error messages quote it, and the calibration program runs every
row that has a case of the same ``name``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.version import Version

from .._installed_torch import holds_with
from ._record import Kind


@dataclass(frozen=True, slots=True)
class Rule:
    """One row.

    Attributes:
        name: short and stable; calibration cases refer to it.
        operation: the Python code, in Markdown; ``x`` is a CUDA tensor.
        waits: ``yes``, ``no``, or ``driver`` when the host waits only for the driver's staging of pageable memory.
        kinds, ops: the events that this row explains; an empty ``ops`` means every operator of those kinds.
        source: a pattern that the line of user code must also match, where the event alone is ambiguous.
        torch: the releases of torch in which a row that waits does wait, as in a requirement; in others it does not. Empty: all.
    """

    name: str
    operation: str
    waits: str
    why: str
    replacement: str
    kinds: tuple[Kind, ...] = ()
    ops: tuple[str, ...] = ()
    source: str = ""
    torch: str = ""

    def holds(self, release: str) -> bool:
        """Return whether the row holds in a release of torch, such as ``2.15.0+cu132``; a nightly build counts as its release."""
        return holds_with(self.torch, Version(release))


RULES: tuple[Rule, ...] = (
    Rule(
        "item",
        "`x.item()`, `float(x)`, `int(x)`, `bool(x)`",
        "yes",
        "`_local_scalar_dense`, each time",
        "a host copy of the value made where it was computed, or torch.where",
        (Kind.ITEM,),
        source=r"\.item\(\)|\b(float|int|bool)\(",
    ),
    Rule(
        "index-with-device-scalar",
        "`x[i]`, `i` a 0-dim CUDA integer tensor (also for a CPU `x`)",
        "yes",
        "`applySelect(..., i.item())`",
        "index with a host integer, or x.index_select(0, i.view(1))",
        (Kind.ITEM,),
        source=r"\w\[\s*[A-Za-z_][\w.]*\s*\]\s*(\)|$|\*|\+|-|/|,)",
    ),
    Rule(
        "full-or-arange-from-device-scalar",
        "`torch.arange(cuda0d)`, `torch.full(shape, cuda0d)`, `range(cuda0d)`, `x.topk(cuda0d)`",
        "yes",
        "a Python number is needed before the kernel starts",
        "keep that number on the host as well",
        (Kind.ITEM,),
        source=r"\b(arange|full|range|topk|linspace)\(",
    ),
    Rule(
        "list-of-device-scalars",
        '`torch.tensor([cuda0d, ...], device="cuda")`',
        "yes",
        "one `item()` per element, then one upload",
        "torch.stack of the 0-dim device tensors",
        (Kind.ITEM,),
        source=r"\b(tensor|as_tensor|new_tensor)\(",
    ),
    Rule(
        "solve",
        "`torch.linalg.solve`, `inv`, `cholesky`, `lu_factor`",
        "yes",
        "the check of `info` reads a bool",
        "the _ex form, torch.linalg.solve_ex(A, b).result (same kernels, no check)",
        (Kind.ITEM,),
        source=r"linalg\.(solve|inv|cholesky|lu_factor)\b",
    ),
    Rule(
        "decomposition",
        "`torch.linalg.eigh`, `eig`, `svd`, `svdvals`, `pinv`, `matrix_rank`, `lstsq`, `cond`, `ldl_solve`, `lu` of a matrix "
        "that is not square (before 2.15)",
        "yes",
        "PyTorch reads how the solver ended",
        "compute it once and keep it, or on the host where the matrix is small",
        (Kind.WAIT,),
        (
            *("aten::_linalg_eigh", "aten::linalg_eig", "aten::_linalg_eigvals", "aten::_linalg_svd", "aten::linalg_lstsq"),
            *("aten::linalg_lu_factor_ex", "aten::linalg_lu", "aten::linalg_ldl_solve"),
        ),
    ),
    Rule(
        "normal-with-device-deviations",
        "`torch.normal(mean, std)` with a CUDA `std`",
        "yes",
        "are all of them positive? The answer is a Python bool",
        "mean + std * torch.randn_like(std)",
        (Kind.ITEM,),
        ("aten::normal", "aten::normal_"),
        torch="<2.14",
    ),
    Rule(
        "searchsorted-with-sorter",
        "`torch.searchsorted(..., sorter=i)`",
        "yes",
        "is the sorter within bounds? The answer is a Python bool",
        "a sorted copy, x[i], in the place of sorter",
        (Kind.ITEM,),
        ("aten::searchsorted",),
    ),
    Rule(
        "allclose",
        "`torch.allclose`, `x.any()` in an `if`",
        "yes",
        "`_local_scalar_dense`",
        "keep the answer on the device (torch.where), or decide from host data",
        (Kind.ITEM,),
        source=r"\b(allclose|any|all)\(",
    ),
    Rule(
        "implicit-item",
        '`if x`, `f"{x}"`, `a <= x <= b`, `x in host_list`',
        "yes",
        "`_local_scalar_dense`, each time",
        "a host copy of the value made where it was computed, or torch.where",
        (Kind.ITEM,),
    ),
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
    Rule("index-with-host-integer", "`x[3]`", "no", "a view", ""),
    Rule("device-index", "`x[cuda_long_index]`, `gather`, `index_select`", "no", "one kernel", ""),
    Rule(
        "mask-store-number",
        "`x[mask] = 1`, `mask` on the device",
        "no",
        "becomes `masked_fill_`",
        "",
    ),
    Rule(
        "slice-store-number",
        "`x[1:3] = 1`, `m[0] = 1` (the destination has a dimension)",
        "no",
        "`fill_`",
        "",
    ),
    Rule(
        "fill",
        "`fill_`, `masked_fill_`, `index_fill_`, `torch.full` with a Python number",
        "no",
        "a kernel argument",
        "",
    ),
    Rule(
        "host-scalar-operand",
        "CPU 0-dim tensor (op) CUDA tensor",
        "no",
        "read as a number. Not bit-equal to a CUDA 0-dim operand for fp16 and bf16: do not move it to save a sync",
        "",
    ),
    Rule("iterate", "`for t in cuda_1d`", "no", "views", ""),
    Rule(
        "download-pinned-non-blocking",
        '`x.to("cpu", non_blocking=True)`',
        "no",
        "torch pins the destination. It holds nothing until an event",
        "",
    ),
    Rule("upload-pinned-non-blocking", '`pinned.to("cuda", non_blocking=True)`', "no", "the copy is queued", ""),
    Rule(
        "solve-ex",
        "`torch.linalg.solve_ex(A, b).result`",
        "no",
        "`info` stays on the device. MAGMA may wait inside",
        "",
    ),
    Rule(
        "repeat-interleave-sized",
        "`torch.repeat_interleave(x, tensor, output_size=n)`",
        "no",
        "the size is known",
        "",
    ),
    Rule("multinomial", "`torch.multinomial`", "no", "two reads in older torch, none in 2.13", ""),
)


def find(kind: Kind, op: str, *, hard: bool, source: str) -> Rule:
    """Return the first row that explains an event; every kind has one that matches any operator.

    Args:
        source: the line of user code, to distinguish ``torch.tensor([...])`` from ``.to("cuda")``; may be empty.
    """
    if kind is Kind.STAGED:
        return _BY_NAME["download-pageable-non-blocking" if hard else "upload-pageable-non-blocking"]
    return next(
        rule
        for rule in RULES
        if kind in rule.kinds and (not rule.ops or op in rule.ops) and (not rule.source or re.search(rule.source, source))
    )


def replacement(kind: Kind, op: str, *, hard: bool, source: str = "") -> str:
    """Return how to get the same value without this wait."""
    return find(kind, op, hard=hard, source=source).replacement


def named(name: str) -> Rule:
    """Return the row of a name."""
    return _BY_NAME[name]


_BY_NAME = {rule.name: rule for rule in RULES}
