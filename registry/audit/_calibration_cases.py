"""One small operation for each row of the rule table, to be run on both back ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ._rules import named


@dataclass(frozen=True, slots=True)
class Case:
    """An operation for a row of the rule table.

    Attributes:
        rule: the row's name.
        code: the operation as text, for reports.
        prepare: makes the operands, outside the audit.
        run: the operation.
        syncs: hard syncs by the rule table, in the releases for which the row holds.
        soft: soft syncs by the rule table, in the same releases.
    """

    rule: str
    code: str
    prepare: Callable[[], tuple[Any, ...]]
    run: Callable[..., object]
    syncs: int
    soft: int = 0

    def expected(self, release: str) -> list[int]:
        """Return the hard and the soft syncs in a release of torch: none where a row does not hold."""
        return [self.syncs, self.soft] if named(self.rule).holds(release) else [0, 0]


def _x() -> torch.Tensor:
    return torch.arange(1.0, 9.0, device="cuda")


def _i() -> torch.Tensor:
    return torch.tensor([1, 2], device="cuda")


def _mask() -> torch.Tensor:
    return _x() > 3


def _scalar() -> torch.Tensor:
    return torch.tensor(2, device="cuda")


def _square() -> torch.Tensor:
    return torch.eye(4, device="cuda") * 2


def _set(target: Any, key: Any, value: Any) -> None:
    target[key] = value


def _pinned() -> torch.Tensor:
    return torch.ones(8).pin_memory()


def _truth(x: torch.Tensor) -> bool:
    return True if x else False  # noqa: SIM210  (this tests the truth value itself)


CASES: tuple[Case, ...] = (
    Case("item", "x.sum().item()", lambda: (_x().sum(),), lambda x: x.item(), 1),
    Case("item", "float(x)", lambda: (_x().sum(),), float, 1),
    Case("implicit-item", "if x", lambda: (_x().sum(),), _truth, 1),
    Case("implicit-item", "f'{x}' of a 0-dim tensor", lambda: (_x().sum(),), lambda x: f"{x}", 1),
    Case("implicit-item", "if a <= x <= b", lambda: (_x().sum(),), lambda x: _truth(1 <= x <= 99), 2),
    Case("tolist", "x.tolist()", lambda: (_x(),), lambda x: x.tolist(), 1),
    Case("tolist", "x.cpu()", lambda: (_x(),), lambda x: x.cpu(), 1),
    Case("tolist", 'x.to("cpu")', lambda: (_x(),), lambda x: x.to("cpu"), 1),
    Case("tensor-from-host-data", 'torch.tensor(list, device="cuda")', lambda: ([1.0, 2.0],),
         lambda data: torch.tensor(data, device="cuda"), 1),
    Case("tensor-from-host-data", "x.new_tensor(list)", lambda: (_x(),), lambda x: x.new_tensor([1.0, 2.0]), 1),
    Case("list-of-device-scalars", 'torch.tensor([cuda0d, cuda0d, cuda0d], device="cuda")',
         lambda: ([_scalar(), _scalar(), _scalar()],), lambda data: torch.tensor(data, device="cuda"), 4),
    Case("upload", 'cpu.to("cuda")', lambda: (torch.ones(8),), lambda x: x.to("cuda"), 1),
    Case("upload", 'pinned.to("cuda")', lambda: (_pinned(),), lambda x: x.to("cuda"), 1),
    Case("upload-pageable-non-blocking", 'pageable.to("cuda", non_blocking=True)', lambda: (torch.ones(8),),
         lambda x: x.to("cuda", non_blocking=True), 0, 1),
    Case("upload-pinned-non-blocking", "x.copy_(pinned of another dtype, non_blocking=True)",
         lambda: (_x(), _pinned().double().pin_memory()), lambda x, p: x.copy_(p, non_blocking=True), 0),
    Case("upload-pinned-non-blocking", 'pinned.to("cuda", non_blocking=True)', lambda: (_pinned(),),
         lambda x: x.to("cuda", non_blocking=True), 0),
    Case("download-pinned-non-blocking", 'x.to("cpu", non_blocking=True)', lambda: (_x(),),
         lambda x: x.to("cpu", non_blocking=True), 0),
    Case("download-pageable-non-blocking", "pageable.copy_(x, non_blocking=True)", lambda: (torch.ones(8), _x()),
         lambda cpu, x: cpu.copy_(x, non_blocking=True), 1),
    Case("index-with-host-integer", "x[3]", lambda: (_x(),), lambda x: x[3], 0),
    Case("index-with-device-scalar", "x[i], i 0-dim", lambda: (_x(), _scalar()), lambda x, i: x[i], 1),
    Case("index-with-device-scalar", "cpu[i], i 0-dim on the device", lambda: (torch.ones(8), _scalar()),
         lambda x, i: x[i], 1),
    Case("device-index", "x[cuda_long_index]", lambda: (_x(), _i()), lambda x, i: x[i], 0),
    Case("device-index", "x.gather(0, i)", lambda: (_x(), _i()), lambda x, i: x.gather(0, i), 0),
    Case("device-index", "x.index_select(0, i)", lambda: (_x(), _i()), lambda x, i: x.index_select(0, i), 0),
    Case("host-index", "x[[0, 2]]", lambda: (_x(),), lambda x: x[[0, 2]], 1),
    Case("host-index", "x[cpu_index]", lambda: (_x(), torch.tensor([0, 2])), lambda x, i: x[i], 1),
    Case("boolean-mask-read", "x[mask]", lambda: (_x(), _mask()), lambda x, m: x[m], 1),
    Case("boolean-mask-read", "x[mask] = tensor", lambda: (_x(), _mask(), torch.ones(5, device="cuda")), _set, 1),
    Case("mask-store-number", "x[mask] = 1", lambda: (_x(), _mask(), 1), _set, 0),
    Case("store-into-0-dim", "x[3] = 1", lambda: (_x(), 3, 1), _set, 1),
    Case("slice-store-number", "x[1:3] = 1", lambda: (_x(), slice(1, 3), 1), _set, 0),
    Case("slice-store-number", "m[0] = 1", lambda: (_square(), 0, 1), _set, 0),
    Case("index-put-python-number", "x[cuda_index] = 1", lambda: (_x(), _i(), 1), _set, 1),
    Case("fill", "x.fill_(1)", lambda: (_x(),), lambda x: x.fill_(1), 0),
    Case("fill", "x.masked_fill_(mask, 1)", lambda: (_x(), _mask()), lambda x, m: x.masked_fill_(m, 1), 0),
    Case("fill", "x.index_fill_(0, i, 1)", lambda: (_x(), _i()), lambda x, i: x.index_fill_(0, i, 1), 0),
    Case("fill", 'torch.full((8,), 1.0, device="cuda")', tuple, lambda: torch.full((8,), 1.0, device="cuda"), 0),
    Case("host-scalar-operand", "cpu0d * x", lambda: (torch.tensor(2.0), _x()), lambda s, x: s * x, 0),
    Case("iterate", "for t in x", lambda: (_x(),), list, 0),
    Case("data-dependent-shape", "x.nonzero()", lambda: (_x(),), lambda x: x.nonzero(), 1),
    Case("data-dependent-shape", "torch.where(mask)", lambda: (_mask(),), lambda m: torch.where(m), 1),
    Case("data-dependent-shape", "x.masked_select(mask)", lambda: (_x(), _mask()), lambda x, m: x.masked_select(m), 1),
    Case("data-dependent-shape", "x.unique()", lambda: (_x(),), lambda x: x.unique(), 1),
    Case("data-dependent-shape", "i.bincount()", lambda: (_i(),), lambda i: i.bincount(), 2),
    Case("data-dependent-shape", "m.unique(dim=0)", lambda: (_square(),), lambda m: m.unique(dim=0), 3),
    Case("index-put-python-number", "x[cpu_mask] = 1", lambda: (_x(), torch.ones(8, dtype=torch.bool), 1), _set, 1),
    Case("decomposition", "torch.linalg.eigh(A)", lambda: (_square(),), torch.linalg.eigh, 1),
    Case("decomposition", "torch.linalg.svd(A)", lambda: (_square(),), torch.linalg.svd, 2),
    Case("normal-with-device-deviations", "torch.normal(0.0, std)", lambda: (_x(),), lambda x: torch.normal(0.0, x), 1),
    Case("searchsorted-with-sorter", "torch.searchsorted(x, x, sorter=i)", lambda: (_x(), torch.arange(8, device="cuda")),
         lambda x, i: torch.searchsorted(x, x, sorter=i), 2),
    Case("data-dependent-shape", "x.histc(4)", lambda: (_x(),), lambda x: x.histc(4), 2),
    Case("repeat-interleave", "torch.repeat_interleave(x, i)", lambda: (_x()[:2], _i()), torch.repeat_interleave, 2),
    Case("repeat-interleave-sized", "torch.repeat_interleave(x, i, output_size=3)", lambda: (_x()[:2], _i()),
         lambda x, i: torch.repeat_interleave(x, i, output_size=3), 0),
    Case("equal", "torch.equal(x, x)", lambda: (_x(), _x()), torch.equal, 1),
    Case("allclose", "torch.allclose(x, x)", lambda: (_x(), _x()), torch.allclose, 1),
    Case("allclose", "if x.any()", lambda: (_x(),), lambda x: _truth(x.any()), 1),
    Case("solve", "torch.linalg.solve(A, b)", lambda: (_square(), torch.ones(4, device="cuda")), torch.linalg.solve, 1),
    Case("solve", "torch.linalg.inv(A)", lambda: (_square(),), torch.linalg.inv, 1),
    Case("solve", "torch.linalg.cholesky(A)", lambda: (_square(),), torch.linalg.cholesky, 1),
    Case("solve-ex", "torch.linalg.solve_ex(A, b).result", lambda: (_square(), torch.ones(4, device="cuda")),
         lambda a, b: torch.linalg.solve_ex(a, b).result, 0),
    Case("multinomial", "x.multinomial(2)", lambda: (_x(),), lambda x: x.multinomial(2), 0),
    Case("full-or-arange-from-device-scalar", "torch.arange(cuda0d)", lambda: (_scalar(),), torch.arange, 1),
    Case("full-or-arange-from-device-scalar", "torch.full((2,), cuda0d)", lambda: (_scalar(),),
         lambda s: torch.full((2,), s, device="cuda"), 1),
    Case("full-or-arange-from-device-scalar", "range(cuda0d)", lambda: (_scalar(),), range, 1),
    Case("explicit-wait", "torch.cuda.synchronize()", tuple, lambda: torch.cuda.synchronize(), 1),
    Case("explicit-wait", "stream.synchronize()", tuple, lambda: torch.cuda.current_stream().synchronize(), 1),
    Case("explicit-wait", "event.synchronize()", lambda: (torch.cuda.current_stream().record_event(),),
         lambda event: event.synchronize(), 1),
)  # fmt: skip
