"""UniPC updates that never make the host wait.

Every kernel runs where, in the dtype and in the order that upstream runs it, so results are bitwise equal. What changes:

* sigmas that upstream uploads one by one come from a device copy, made once per schedule;
* lists of scalars are stacked where they are instead of read back one by one, and uploaded at most once, pinned;
* on a GPU ``linalg.solve_ex`` runs ``linalg.solve``'s kernels without the check that reads the verdict back;
* a system whose solution the method fixes by convention (0.5) is not built.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

from syncfree.hooks.scheduler_step import MultistepUpdate


class Coefficients(NamedTuple):
    """The scalars of one update; 0-dim unless said otherwise.

    Attributes:
        sample: what the sample is multiplied with.
        newest: what the newest output is multiplied with.
        change: what the weighted differences are multiplied with.
        ratios: what the difference to each older output is divided by, from new to old.
        weights: ``[order - 1]``, or ``[order]`` for a corrector, like the sample in dtype and device; None when empty.
    """

    sample: torch.Tensor
    newest: torch.Tensor
    change: torch.Tensor
    ratios: tuple[torch.Tensor, ...]
    weights: torch.Tensor | None


def scheduler_step(update: MultistepUpdate) -> torch.Tensor:
    """Implement the contract of `syncfree.hooks.scheduler_step`.

    Declines sigmas that require gradients, and systems that sigmas on the host show to be singular: upstream raises there.
    """
    if not is_covered(update):
        return NotImplemented  # type: ignore[no-any-return]
    return apply(update, coefficients(update))


def is_covered(update: MultistepUpdate) -> bool:
    """False for sigmas that require gradients, and where the host knows that a GPU would get a singular system.

    The ratios of a system are distinct numbers unless two sigmas are equal or one is 0.
    """
    sigmas, order = update.sigmas, update.order
    if sigmas.requires_grad:
        return False
    if order + (update.model_output is not None) < 3 or sigmas.device == update.sample.device:
        return True
    used = sigmas[max(update.start - order + 1, 0) : update.start + 2].tolist()
    return len(set(used)) == order + 1 and 0.0 not in used


def coefficients(update: MultistepUpdate) -> Coefficients:
    """Compute the scalars of an update where upstream computes them, without reading any of them back."""
    sigmas = _placed_sigmas(update)
    start, order = update.start, update.order
    alpha_t, sigma_t, lambda_t = _point(update, sigmas[start + 1])
    alpha_0, sigma_0, lambda_0 = _point(update, sigmas[start])
    h = lambda_t - lambda_0
    hh = -h if update.predict_x0 else h
    h_phi_1 = torch.expm1(hh)
    b_h = hh if update.solver_type == "bh1" else h_phi_1
    ratios = tuple((_point(update, sigmas[start - i])[2] - lambda_0) / h for i in range(1, order))
    ratio, kept = (sigma_t / sigma_0, alpha_t) if update.predict_x0 else (alpha_t / alpha_0, sigma_t)
    return Coefficients(ratio, kept * h_phi_1, kept * b_h, ratios, _weights(update, ratios, hh, h_phi_1, b_h))


def apply(update: MultistepUpdate, scalars: Coefficients) -> torch.Tensor:
    """Apply an update whose scalars are known; in upstream's order, which gradients are summed by."""
    x, m0, weights = update.sample, update.history[-1], scalars.weights
    older = [(update.history[-2 - i] - m0) / ratio for i, ratio in enumerate(scalars.ratios)]
    differences = torch.stack(older, dim=1) if older else None
    kept = scalars.sample * x - scalars.newest * m0
    change: torch.Tensor | int = 0  # multiplied out even when 0: where B(h) is infinite upstream's result is nan
    if differences is not None:
        assert weights is not None
        change = torch.einsum("k,bkc...->bc...", weights[: len(older)], differences)
    if update.model_output is not None:
        assert weights is not None
        change = change + weights[-1] * (update.model_output - m0)
    return (kept - scalars.change * change).to(x.dtype)


def _point(update: MultistepUpdate, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Alpha, sigma and half the log-SNR at one sigma of the schedule."""
    if update.schedule == "vp":
        alpha = 1 / ((sigma**2 + 1) ** 0.5)
        sigma = sigma * alpha
    else:
        alpha = 1 - sigma
        if update.schedule == "clamped_flow":
            sigma = torch.clamp(sigma, min=1e-8)
    return alpha, sigma, torch.log(alpha) - torch.log(sigma)


def _weights(
    update: MultistepUpdate, ratios: tuple[torch.Tensor, ...], hh: torch.Tensor, h_phi_1: torch.Tensor, b_h: torch.Tensor
) -> torch.Tensor | None:
    """Solve for the weights of the differences: ``R rho = b`` with ``R[i, j] = ratio_j ** i``."""
    x = update.sample
    corrector = update.model_output is not None
    size = len(ratios) + corrector
    if size == 0:
        return None
    if size == 1:
        return torch.full((1,), 0.5, dtype=x.dtype, device=x.device)
    right = []
    phi, factorial = h_phi_1 / hh - 1, 1
    for i in range(1, size + 1):
        right.append(phi * factorial / b_h)
        factorial *= i + 1
        if i < size:
            phi = phi / hh - 1 / factorial
    knots = [*ratios, torch.ones((), dtype=hh.dtype, device=hh.device)] if corrector else list(ratios)
    if hh.device == x.device:
        knots_there, right_there = torch.stack(knots), torch.stack(right)
    else:
        knots_there, right_there = _upload(torch.stack(knots + right), x.device).split(size)
    left = torch.stack([torch.pow(knots_there, i) for i in range(size)])
    solution: torch.Tensor
    if x.device.type == "cpu":
        solution = torch.linalg.solve(left, right_there)
    else:
        solution = torch.linalg.solve_ex(left, right_there).result
    return solution.to(x.dtype)


def _placed_sigmas(update: MultistepUpdate) -> torch.Tensor:
    """The sigmas on the device where upstream does the arithmetic of the scalars."""
    sigmas, device = update.sigmas, update.sample.device
    if update.scalars_follow == "sigmas" or sigmas.device == device:
        return sigmas
    return _device_copy(sigmas.numpy().tobytes(), sigmas.dtype, device, current_stream(device))


@lru_cache(maxsize=64)
def _device_copy(values: bytes, dtype: torch.dtype, device: torch.device, stream: int) -> torch.Tensor:
    """Copy a schedule to the device, once.

    Found by content: a schedule that is changed in place, deep-copied, pickled or shared by two schedulers is right without
    any bookkeeping, and nothing hangs on the scheduler. By stream too: on another one the copy may not have arrived yet.
    """
    with torch.inference_mode(False):  # an inference tensor kept for later would break a caller who needs gradients
        return _upload(torch.frombuffer(bytearray(values), dtype=dtype), device)


def current_stream(device: torch.device) -> int:
    """The stream that this thread launches on; 0 where there are none."""
    return torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0


def _upload(host: torch.Tensor, device: torch.device) -> torch.Tensor:
    if device.type != "cuda":
        return host.to(device)
    return host.pin_memory().to(device, non_blocking=True)
