"""Many operations of PyTorch on a CUDA tensor, and how often each makes the host wait.

``python -m tests.dry_run.operations BACKEND`` prints a JSON object: waits by operation, on ``dry-run`` or ``simulated``; or with
``cuda``, the back end for a GPU on the dry-run device, which hears what torch reports there.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

from syncfree.audit import audit, dry_run, simulated

BACKEND: Any = sys.argv[1]
if BACKEND == "simulated":
    simulated.install()
else:
    dry_run.install(values=True)
if BACKEND == "cuda":
    dry_run.is_installed = lambda: False  # or the back end would be that of the dry run

import torch  # noqa: E402  (the dry run comes first)
from torch.nn import functional  # noqa: E402


def x(count: int = 8) -> torch.Tensor:
    return torch.arange(1.0, count + 1, device="cuda")


def i() -> torch.Tensor:
    return torch.tensor([1, 2], device="cuda")


def square(count: int = 4) -> torch.Tensor:
    return torch.eye(count, device="cuda") * 2 + torch.ones(count, count, device="cuda") * 0.1


def number(value: float = 1.0) -> torch.Tensor:
    return torch.tensor(value, device="cuda")


OPERATIONS: dict[str, Callable[[], Any]] = {
    "x[cpu_mask]=cuda0d": lambda: x().__setitem__(torch.ones(8, dtype=torch.bool), torch.tensor(1.0, device="cuda")),
    "x[cpu_mask]=1.": lambda: x().__setitem__(torch.ones(8, dtype=torch.bool), 1.0),
    "x[cpu_mask]": lambda: x()[torch.ones(8, dtype=torch.bool)],
    "normal std": lambda: torch.normal(0.0, torch.ones(3, device="cuda")),
    "normal mean std": lambda: torch.normal(torch.zeros(3, device="cuda"), torch.ones(3, device="cuda")),
    "normal mean": lambda: torch.normal(torch.zeros(3, device="cuda"), 1.0),
    "searchsorted": lambda: torch.searchsorted(x(), x()),
    "searchsorted sorter": lambda: torch.searchsorted(x(), x(), sorter=torch.arange(8, device="cuda")),
    "isin small": lambda: torch.isin(x(), i().float()),
    "isin many": lambda: torch.isin(x(), x(40)),
    "isin many unique": lambda: torch.isin(x(), x(40), assume_unique=True),
    "unique dim inverse": lambda: square().unique(dim=0, return_inverse=True, return_counts=True),
    "unique_consecutive dim inverse": lambda: square().unique_consecutive(dim=0, return_inverse=True),
    "mode of 3000": lambda: x(3000).mode(),
    "lu of 3 x 4": lambda: torch.linalg.lu_factor_ex(square()[:3]),
    "lu of 4 x 4": lambda: torch.linalg.lu_factor_ex(square()),
    "copy pinned.t<-nb": lambda: torch.empty(4, 4).pin_memory().t().copy_(square(), non_blocking=True),
    "eigh": lambda: torch.linalg.eigh(square()),
    "eigvalsh": lambda: torch.linalg.eigvalsh(square()),
    "eig": lambda: torch.linalg.eig(square()),
    "eigvals": lambda: torch.linalg.eigvals(square()),
    "svd": lambda: torch.linalg.svd(square()),
    "svdvals": lambda: torch.linalg.svdvals(square()),
    "matrix_rank": lambda: torch.linalg.matrix_rank(square()),
    "pinv": lambda: torch.linalg.pinv(square()),
    "pinv herm": lambda: torch.linalg.pinv(square(), hermitian=True),
    "qr": lambda: torch.linalg.qr(square()),
    "det": lambda: torch.linalg.det(square()),
    "slogdet": lambda: torch.linalg.slogdet(square()),
    "inv": lambda: torch.linalg.inv(square()),
    "solve": lambda: torch.linalg.solve(square(), torch.ones(4, device="cuda")),
    "cholesky": lambda: torch.linalg.cholesky(square()),
    "lu": lambda: torch.linalg.lu(square()),
    "lu_factor": lambda: torch.linalg.lu_factor(square()),
    "lstsq": lambda: torch.linalg.lstsq(square(), square()),
    "matrix_exp": lambda: torch.linalg.matrix_exp(square()),
    "cholesky_inverse": lambda: torch.cholesky_inverse(square()),
    "ldl": lambda: torch.linalg.ldl_factor(square()),
    "solve_triangular": lambda: torch.linalg.solve_triangular(square(), square(), upper=True),
    "norm2": lambda: torch.linalg.norm(square(), 2),
    "cond": lambda: torch.linalg.cond(square()),
    "tensorinv": lambda: torch.linalg.tensorinv(square().reshape(2, 2, 4)),
    "matrix_power": lambda: torch.linalg.matrix_power(square(), -1),
    "segment_reduce": lambda: torch.segment_reduce(x(3), "sum", lengths=i()),
    "repeat_interleave": lambda: torch.repeat_interleave(x(2), i()),
    "repeat_interleave int": lambda: torch.repeat_interleave(x(), 2),
    "bincount": lambda: i().bincount(),
    "bincount min": lambda: i().bincount(minlength=5),
    "histc": lambda: x().histc(4),
    "histc lo hi": lambda: x().histc(4, 0, 9),
    "unique": lambda: x().unique(),
    "unique inv": lambda: x().unique(return_inverse=True),
    "unique counts": lambda: x().unique(return_counts=True),
    "unique dim": lambda: square().unique(dim=0),
    "unique_consecutive": lambda: x().unique_consecutive(),
    "unique_consecutive dim": lambda: square().unique_consecutive(dim=0),
    "mode": lambda: x().mode(),
    "median": lambda: x().median(),
    "median dim": lambda: x().median(0),
    "kthvalue": lambda: x().kthvalue(2),
    "quantile": lambda: x().quantile(0.5),
    "nanmedian": lambda: x().nanmedian(),
    "multinomial": lambda: x().multinomial(2),
    "multinomial repl": lambda: x().multinomial(2, replacement=True),
    "randperm": lambda: torch.randperm(8, device="cuda"),
    "topk": lambda: x().topk(2),
    "sort": lambda: x().sort(),
    "argsort": lambda: x().argsort(),
    "nonzero": lambda: x().nonzero(),
    "nonzero static": lambda: x().nonzero_static(size=3),
    "argwhere": lambda: x().argwhere(),
    "count_nonzero": lambda: x().count_nonzero(),
    "masked_select": lambda: x().masked_select(x() > 3),
    "masked_scatter": lambda: x().masked_scatter(x() > 3, x()),
    "take": lambda: x().take(i()),
    "put": lambda: x().put_(i(), x(2)),
    "index_add": lambda: x().index_add_(0, i(), x(2)),
    "index_copy": lambda: x().index_copy_(0, i(), x(2)),
    "scatter": lambda: x().scatter_(0, i(), 1.0),
    "cumsum": lambda: x().cumsum(0),
    "embedding_bag": lambda: functional.embedding_bag(i(), square(), torch.tensor([0], device="cuda")),
    "embedding": lambda: functional.embedding(i(), square()),
    "embedding max_norm": lambda: functional.embedding(i(), square(), max_norm=1.0),
    "one_hot": lambda: functional.one_hot(i()),
    "one_hot n": lambda: functional.one_hot(i(), 3),
    "cross_entropy": lambda: functional.cross_entropy(square()[:2], i()),
    "nll": lambda: functional.nll_loss(square()[:2], i()),
    "ctc": lambda: functional.ctc_loss(
        torch.randn(5, 1, 3, device="cuda").log_softmax(2),
        torch.tensor([[1, 2]], device="cuda"),
        torch.tensor([5], device="cuda"),
        torch.tensor([2], device="cuda"),
    ),
    "pad_sequence": lambda: torch.nn.utils.rnn.pad_sequence([x(3), x(2)]),
    "pack_padded": lambda: torch.nn.utils.rnn.pack_padded_sequence(square()[None], torch.tensor([4]), batch_first=True),
    "dropout": lambda: functional.dropout(x()),
    "interpolate": lambda: functional.interpolate(torch.ones(1, 1, 4, 4, device="cuda"), scale_factor=2.0),
    "grid_sample": lambda: functional.grid_sample(
        torch.ones(1, 1, 4, 4, device="cuda"), torch.zeros(1, 2, 2, 2, device="cuda")
    ),
    "cdist": lambda: torch.cdist(square(), square()),
    "cov": lambda: square().cov(),
    "corrcoef": lambda: square().corrcoef(),
    "bucketize": lambda: torch.bucketize(x(), x()),
    "clamp t": lambda: x().clamp(x(), x()),
    "where num": lambda: torch.where(x() > 3, x(), 0.0),
    "tril_indices": lambda: torch.tril_indices(3, 3, device="cuda"),
    "combinations": lambda: torch.combinations(x()),
    "cartesian": lambda: torch.cartesian_prod(x(), x()),
    "meshgrid": lambda: torch.meshgrid(x(), x(), indexing="ij"),
    "linspace t": lambda: torch.linspace(torch.tensor(0.0, device="cuda"), torch.tensor(1.0, device="cuda"), 5),
    "arange t": lambda: torch.arange(torch.tensor(3, device="cuda")),
    "full t": lambda: torch.full((2,), torch.tensor(3.0, device="cuda")),
    "masked_fill t": lambda: x().masked_fill_(x() > 3, torch.tensor(0.0, device="cuda")),
    "index_fill t": lambda: x().index_fill_(0, i(), torch.tensor(0.0, device="cuda")),
    "fill t": lambda: x().fill_(torch.tensor(0.0, device="cuda")),
    "x[i]=t": lambda: x().__setitem__(i(), torch.tensor(0.0, device="cuda")),
    "x[i]=cpu0d": lambda: x().__setitem__(i(), torch.tensor(0.0)),
    "x+cpu0d": lambda: x() + torch.tensor(1.0),
    "std": lambda: x().std(),
    "var_mean": lambda: torch.var_mean(x()),
    "renorm": lambda: square().renorm(2, 0, 1.0),
    "trace": lambda: square().trace(),
    "diff": lambda: x().diff(),
    "trapz": lambda: torch.trapezoid(x()),
    "gradient": lambda: torch.gradient(x()),
    "roll": lambda: x().roll(1),
    "rot90": lambda: square().rot90(),
    "block_diag": lambda: torch.block_diag(square(), square()),
    "kron": lambda: torch.kron(square(), square()),
    "tensordot": lambda: torch.tensordot(square(), square()),
    "fft": lambda: torch.fft.fft(x()),
    "stft": lambda: torch.stft(x(64), 16, return_complex=True),
    "istft": lambda: torch.istft(torch.stft(x(64), 16, return_complex=True), 16),
    "gumbel": lambda: functional.gumbel_softmax(square()),
    "isfinite all": lambda: bool(x().isfinite().all()),
    "is_nonzero": lambda: torch.is_nonzero(x(1)),
    "equal": lambda: torch.equal(x(), x()),
    "allclose": lambda: torch.allclose(x(), x()),
    "item": lambda: x(1).item(),
    "tolist": lambda: x().tolist(),
    "to cpu nb strided": lambda: square()[:, 0].to("cpu", non_blocking=True),
    "to cpu nb dtype": lambda: x().to("cpu", torch.float64, non_blocking=True),
    "copy pinned<-strided nb": lambda: torch.empty(4).pin_memory().copy_(square()[:, 0], non_blocking=True),
    "copy pinned<-dtype nb": lambda: torch.empty(8, dtype=torch.float64).pin_memory().copy_(x(), non_blocking=True),
    "bmm": lambda: torch.bmm(square()[None], square()[None]),
    "baddbmm": lambda: torch.baddbmm(square()[None], square()[None], square()[None]),
    "poisson": lambda: torch.poisson(x()),
    "bernoulli": lambda: torch.bernoulli(x() / 9),
    "exponential": lambda: x().exponential_(),
    "geometric": lambda: x().geometric_(0.5),
    "binomial": lambda: torch.binomial(x(), x() / 9),
    "dirichlet": lambda: torch._sample_dirichlet(x()),
    "lerp": lambda: x().lerp(x(), 0.5),
    "logsumexp": lambda: x().logsumexp(0),
    "amp": lambda: torch.amp.GradScaler("cuda").scale(x().sum()),
    "clip_grad": lambda: torch.nn.utils.clip_grad_norm_([x().requires_grad_()], 1.0),
}


def main() -> None:
    """Count; the second run of each operation, as the first may initialise a library."""
    warnings.simplefilter("ignore")
    found = {}
    with dry_run.Values() if BACKEND != "simulated" else contextlib.nullcontext():
        for name, run in OPERATIONS.items():
            run()
            with audit(backend=BACKEND) as report:
                run()
            found[name] = [len(report.hard), len(report.soft)]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
