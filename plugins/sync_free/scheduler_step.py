"""UniPC updates that never make the host wait.

Every kernel runs where, in the dtype and in the order that upstream runs it, so results are bitwise equal. What changes:

* sigmas that upstream uploads one by one come from a device copy, made once per schedule;
* lists of scalars are stacked where they are instead of read back one by one, and uploaded at most once, pinned;
* on a GPU ``linalg.solve_ex`` runs ``linalg.solve``'s kernels without the check that reads the verdict back;
* a system whose solution the method fixes by convention (0.5) is not built.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import torch

from syncfree.hooks.scheduler_step import MultistepUpdate
from syncfree.plugins.ordinary import content, is_ordinary, may_be_kept

_SAMPLES = frozenset({torch.float32, torch.float64, torch.bfloat16, torch.float16})
_SIGMAS = frozenset({torch.float32, torch.float64})


class Coefficients(NamedTuple):
    """The scalars of one update; 0-dim unless said otherwise.

    Attributes:
        sample: what the sample is multiplied with.
        newest: what the newest output is multiplied with.
        change: what the weighted differences are multiplied with.
        ratios: what the difference to each older output is divided by, from new to old.
        older: ``[order - 1]``, the weights of these differences, like the sample in dtype and device; None at order 1.
        current: the weight of the corrector's newest difference, like the sample; None for a predictor.
    """

    sample: torch.Tensor
    newest: torch.Tensor
    change: torch.Tensor
    ratios: tuple[torch.Tensor, ...]
    older: torch.Tensor | None
    current: torch.Tensor | None


def scheduler_step(update: MultistepUpdate) -> torch.Tensor:
    """Implement the contract of `syncfree.hooks.scheduler_step`.

    Declines what `is_ordinary_update` and `is_solvable` do not cover: upstream raises there, or nobody compared.
    """
    if not is_ordinary_update(update) or not is_solvable(update):
        return NotImplemented  # type: ignore[no-any-return]
    return apply(update, coefficients(update))


def is_ordinary_update(update: MultistepUpdate) -> bool:
    """Return whether it is of plain tensors: samples of floats and one shape on one device, one row of sigmas, a place in it."""
    sample, sigmas, output, start = update.sample, update.sigmas, update.model_output, update.start
    if not is_ordinary(sample) or sample.dtype not in _SAMPLES or sample.dim() < 2:
        return False
    if not is_ordinary(sigmas) or sigmas.dtype not in _SIGMAS or sigmas.dim() != 1 or sigmas.requires_grad:
        return False
    if not (sigmas.is_cpu or sigmas.device == sample.device):
        return False
    if not update.order - 1 <= start < sigmas.numel() - 1 or (output is None) != (update.phase == "predictor"):
        return False
    shape, device = sample.shape, None if sample.is_cpu else sample.device
    for one in update.history if output is None else (*update.history, output):
        if not is_ordinary(one) or one.shape != shape or one.dtype not in _SAMPLES:
            return False
        if not (one.is_cpu if device is None else one.device == device):
            return False
    return may_be_kept(sample)


def is_solvable(update: MultistepUpdate) -> bool:
    """False where a system may be singular, which upstream raises and ``solve_ex`` does not; and where the host cannot know.

    The system is a Vandermonde matrix, which is singular where two of its knots are equal; knots that are merely close count,
    too, because the device rounds otherwise than the host. Where the host solves, it does so by upstream's ``solve``.
    """
    order, sigmas = update.order, update.sigmas
    corrects = update.model_output is not None
    if update.sample.is_cpu or order + corrects < 3 or (corrects and order == 2 and update.pair == "cramer"):
        return True
    values = sigmas if sigmas.is_cpu else update.host_sigmas
    if values is None:
        return False
    used = values[update.start - order + 1 : update.start + 2].tolist()
    *older, begin, end = (_log_snr(update.schedule, sigma) for sigma in used)
    step = end - begin
    if not math.isfinite(step) or step == 0:
        return False
    knots = [(one - begin) / step for one in older] + [1.0] * corrects
    return all(_are_apart(one, other) for one, other in combinations(knots, 2))


def _are_apart(one: float, other: float) -> bool:
    """False for nan. An older output at pure noise is infinitely far away, and no other one may be."""
    if math.isinf(one) or math.isinf(other):
        return one != other and not math.isnan(one + other)
    return abs(one - other) > 1e-4 * max(abs(one), abs(other))


def _log_snr(schedule: str, sigma: float) -> float:
    """Half of it, as near as the host needs it: -inf for pure noise, nan where upstream has no finite one otherwise."""
    if schedule == "vp":
        return -math.log(sigma) if 0 < sigma < math.inf else math.nan
    kept = max(sigma, 1e-8) if schedule == "clamped_flow" else sigma
    if not 0 < kept <= 1 or sigma < 0:
        return math.nan
    return math.log((1 - sigma) / kept) if sigma < 1 else -math.inf


def coefficients(update: MultistepUpdate) -> Coefficients:
    """Compute the scalars of an update where upstream computes them, without reading any of them back."""
    sigmas, start = placed_sigmas(update), update.start
    older = [point(update, sigmas[start - i]).log_snr for i in range(1, update.order)]
    found = terms(update, point(update, sigmas[start + 1]), point(update, sigmas[start]), older)
    weights = found.weights
    if found.system is not None:
        weights = solution(update, *found.system)
    return Coefficients(found.sample, found.newest, found.change, found.ratios, *split(update, weights))


def split(update: MultistepUpdate, weights: torch.Tensor | None) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The weights of the older differences, and of the corrector's newest one."""
    if weights is None:
        return None, None
    older = weights[: update.order - 1] if update.order > 1 else None
    return older, None if update.model_output is None else weights[-1]


class Point(NamedTuple):
    """The quantities that a sigma, or each of several sigmas, stands for."""

    alpha: torch.Tensor
    sigma: torch.Tensor
    log_snr: torch.Tensor
    """Half of it."""


class Terms(NamedTuple):
    """`Coefficients` whose linear system has not been solved; of one update (0-dim), or of several positions (``[N]``).

    Attributes:
        weights: ``[..., K]``, or ``[1]`` for all positions where it is a convention; None with a system, or when empty.
        system: ``[..., K, K]`` and ``[..., K]``, where the weights are its solution.
    """

    sample: torch.Tensor
    newest: torch.Tensor
    change: torch.Tensor
    ratios: tuple[torch.Tensor, ...]
    weights: torch.Tensor | None
    system: tuple[torch.Tensor, torch.Tensor] | None


def point(update: MultistepUpdate, sigma: torch.Tensor) -> Point:
    """Alpha, sigma and half the log-SNR at sigmas of the schedule."""
    if update.schedule == "vp":
        alpha = 1 / ((sigma**2 + 1) ** 0.5)
        sigma = sigma * alpha
    else:
        alpha = 1 - sigma
        if update.schedule == "clamped_flow":
            sigma = torch.clamp(sigma, min=1e-8)
    return Point(alpha, sigma, torch.log(alpha) - torch.log(sigma))


def terms(update: MultistepUpdate, end: Point, begin: Point, older: Sequence[torch.Tensor]) -> Terms:
    """Everything before the system is solved, by elementwise operations in upstream's order.

    Args:
        update: order, phase and so on; its position and its sigmas are not read.
        end: where the update goes.
        begin: where it starts.
        older: half the log-SNR at each older output, from new to old.
    """
    h = end.log_snr - begin.log_snr
    hh = -h if update.predict_x0 else h
    if update.rounds_step:
        hh = hh.float()
    h_phi_1 = torch.expm1(hh)
    b_h = hh if update.solver_type == "bh1" else h_phi_1
    ratios = tuple((log_snr - begin.log_snr) / h for log_snr in older)
    if update.predict_x0:
        ratio, kept = end.sigma / begin.sigma, end.alpha
    else:
        ratio, kept = end.alpha / begin.alpha, end.sigma
    weights, system = _weights(update, ratios, hh, h_phi_1, b_h)
    return Terms(ratio, kept * h_phi_1, kept * b_h, ratios, weights, system)


def apply(update: MultistepUpdate, scalars: Coefficients) -> torch.Tensor:
    """Apply an update whose scalars are known; in upstream's order, which gradients are summed by."""
    x, history, output = update.sample, update.history, update.model_output
    m0 = history[-1]
    older = [(history[-2 - i] - m0) / ratio for i, ratio in enumerate(scalars.ratios)]
    kept = scalars.sample * x - scalars.newest * m0
    change: torch.Tensor | int = 0  # multiplied out even when 0: where B(h) is infinite upstream's result is nan
    if scalars.older is not None:
        change = _weighted_sum(scalars.older, older)
    if output is not None:
        assert scalars.current is not None
        change = change + scalars.current * (output - m0)
    result = kept - scalars.change * change
    return result if result.dtype is x.dtype else result.to(x.dtype)


def _weighted_sum(weights: torch.Tensor, differences: list[torch.Tensor]) -> torch.Tensor:
    """``einsum("k,bkc...->bc...", ...)``, which is a product where there is one difference."""
    one = differences[0]
    if len(differences) == 1 and one.dim() > 1:
        kind = "cpu" if one.is_cpu else "cuda" if one.is_cuda else one.device.type  # the last costs microseconds
        if not torch.is_autocast_enabled(kind):
            return weights * one
        lower = torch.get_autocast_dtype(kind)
        if {weights.dtype, one.dtype} <= {torch.float32, lower}:  # of others, autocast refuses some
            return weights.to(lower) * one.to(lower) if _einsum_casts(kind, lower) else weights * one
    return torch.einsum("k,bkc...->bc...", weights, torch.stack(differences, dim=1))


@lru_cache(maxsize=64)
def _einsum_casts(kind: str, lower: torch.dtype) -> bool:
    """Return whether einsum is among the operators that autocast casts for; it is not in every release of torch."""
    one = torch.ones(1, 1, dtype=torch.float32, device=kind)
    with torch.autocast(kind, lower):
        return torch.einsum("k,bk->b", one[0], one).dtype is lower


def _weights(
    update: MultistepUpdate, ratios: tuple[torch.Tensor, ...], hh: torch.Tensor, h_phi_1: torch.Tensor, b_h: torch.Tensor
) -> tuple[torch.Tensor | None, tuple[torch.Tensor, torch.Tensor] | None]:
    """The weights of the differences, or the system ``R rho = b`` with ``R[i, j] = ratio_j ** i`` whose solution they are."""
    x = update.sample
    corrector = update.model_output is not None
    size = len(ratios) + corrector
    if size == 0:
        return None, None
    if size == 1:
        return torch.full((1,), 0.5, dtype=x.dtype, device=x.device), None
    right = []
    phi, factorial = h_phi_1 / hh - 1, 1
    for i in range(1, size + 1):
        right.append(phi * factorial / b_h)
        factorial *= i + 1
        if i < size:
            phi = phi / hh - 1 / factorial
    if size == 2 and corrector and update.pair == "cramer":
        (ratio,), determinant = ratios, 1 - ratios[0]
        solved = (right[0] - right[1]) / determinant, (right[1] - ratio * right[0]) / determinant
        return torch.stack(solved, dim=-1), None
    if update.rounds_step:
        ratios = tuple(ratio.float() for ratio in ratios)
    knots = torch.stack([*ratios, torch.ones_like(hh)] if corrector else ratios, dim=-1)
    both = knots, torch.stack(right, dim=-1)
    if hh.device != x.device:
        both = _upload(torch.cat(both, dim=-1), x.device).split(size, dim=-1)
    left = torch.stack([torch.pow(both[0], i) for i in range(size)], dim=-2)
    if not corrector:
        # Upstream's predictor solves a part of the corrector's matrix, and how torch up to 2.8 factorizes depends on strides.
        left = torch.nn.functional.pad(left, (0, 1, 0, 1))[..., :-1, :-1]
    return None, (left, both[1])


def solution(update: MultistepUpdate, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solve one system, as upstream does but for the check, and round as upstream does."""
    found: torch.Tensor
    if left.device.type == "cpu":
        found = torch.linalg.solve(left, right)
    else:
        found = torch.linalg.solve_ex(left, right).result
    return found.to(update.sample.dtype)


def placed_sigmas(update: MultistepUpdate) -> torch.Tensor:
    """The sigmas on the device where upstream does the arithmetic of the scalars."""
    sigmas, device = update.sigmas, update.sample.device
    if update.scalars_follow == "sigmas" or sigmas.device == device:
        return sigmas
    copy = _device_copy(content(sigmas), sigmas.dtype, device, current_stream(update.sample))
    if type(copy) is not torch.Tensor:  # a mode of the caller's made something else of it
        _device_copy.cache_clear()
    return copy


@lru_cache(maxsize=64)
def _device_copy(values: bytes, dtype: torch.dtype, device: torch.device, stream: int) -> torch.Tensor:
    """Copy a schedule to the device, once.

    Found by content: a schedule that is changed in place, deep-copied, pickled or shared by two schedulers is right without
    any bookkeeping, and nothing hangs on the scheduler. By stream too: on another one the copy may not have arrived yet.
    """
    with torch.inference_mode(False):  # an inference tensor kept for later would break a caller who needs gradients
        return _upload(torch.frombuffer(bytearray(values), dtype=dtype), device)


def current_stream(tensor: torch.Tensor) -> int:
    """The stream that this thread launches on at a tensor's device; 0 where there are none."""
    return torch.cuda.current_stream(tensor.device).cuda_stream if tensor.is_cuda else 0


def _upload(host: torch.Tensor, device: torch.device) -> torch.Tensor:
    if device.type != "cuda":
        return host.to(device)
    return host.pin_memory().to(device, non_blocking=True)
