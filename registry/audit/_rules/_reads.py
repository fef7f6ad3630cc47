"""Operations that read a value of the device on the host."""

from __future__ import annotations

from .._events import Kind
from ._rule import Rule

READS = (
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
)
