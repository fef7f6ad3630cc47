"""Contract of ``scheduler_step``: one predictor or corrector update of a multistep diffusion solver (UniPC)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


class MultistepUpdate(NamedTuple):
    """Everything that one UniPC update reads. No field may be changed.

    Attributes:
        phase: ``predictor`` (UniP) goes from ``sigmas[start]`` to ``sigmas[start + 1]``; ``corrector`` (UniC) does the
            same step again, with the model's output at its end.
        order: 1 or more; ``order - 1`` older outputs take part.
        solver_type: ``bh1`` or ``bh2``, the two forms of B(h) in the UniPC paper.
        predict_x0: the outputs are predictions of the clean sample; otherwise of the noise.
        schedule: how a sigma gives alpha and sigma: ``flow`` (1 - s, s), ``clamped_flow`` (1 - s, max(s, 1e-8)) or ``vp``
            (1 / sqrt(s^2 + 1), s * alpha).
        sigmas: ``[steps + 1]`` float32 or float64, on the host or the device; the scheduler's own tensor, which stays
            where it is, because pipelines read it. A user may have put anything in its place: an implementation declines
            what it does not know.
        start: host integer, the position in ``sigmas`` where the update starts.
        scalars_follow: where upstream does the arithmetic of the scalars: on the device of ``sigmas`` or of ``sample``.
            It is part of the result: a kernel reads a host scalar in float32, but casts a device scalar to the sample's
            dtype.
        history: ``order`` outputs ``[B, C, ...]``, newest (the one at ``sigmas[start]``) last, on the sample's device.
        sample: ``[B, C, ...]``, the sample at ``sigmas[start]``.
        model_output: ``[B, C, ...]``, the output at ``sigmas[start + 1]``; None for the predictor.
        host_sigmas: ``[steps + 1]`` on the host, equal to ``sigmas``; None where that would have to be read from the device.
            They tell whether a system is singular.
        pair: how upstream solves the order-2 corrector's system: ``solve`` (``linalg.solve``, rounded to the sample's dtype)
            or ``cramer`` (Cramer's rule, in the dtype of the sigmas, never rounded).
        rounds_step: whether upstream rounds the step in log-SNR and the system to float32, as vLLM-Omni's Helios does, whose
            pipeline's sigmas are float64.
    """

    phase: Literal["predictor", "corrector"]
    order: int
    solver_type: Literal["bh1", "bh2"]
    predict_x0: bool
    schedule: Literal["flow", "clamped_flow", "vp"]
    sigmas: torch.Tensor
    start: int
    scalars_follow: Literal["sigmas", "sample"]
    history: tuple[torch.Tensor, ...]
    sample: torch.Tensor
    model_output: torch.Tensor | None = None
    host_sigmas: torch.Tensor | None = None
    pair: Literal["solve", "cramer"] = "solve"
    rounds_step: bool = False


@hookspec
def scheduler_step(update: MultistepUpdate) -> torch.Tensor:
    """Return the sample at ``sigmas[start + 1]``.

    With ``x`` the sample, ``m0`` the newest output, ``h`` the step in log-SNR and ``D1s`` the scaled differences of older
    outputs to ``m0``, the result is evaluated in this order (``predict_x0``; otherwise alpha and sigma change places)::

        sigma_t / sigma_0 * x  -  alpha_t * expm1(-h) * m0  -  alpha_t * B(h) * (rhos . D1s [+ rho * (model_output - m0)])

    ``rhos`` solves ``R rho = b``; by convention it is 0.5 for the order-2 predictor and the order-1 corrector. The scalars
    depend on the sigmas, the position and the order alone, never on the samples, so an implementation may keep them from one
    call to the next.

    May decline any update. The shipped implementations decline, before anything is touched, whatever is not made of plain dense
    tensors on the host or a CUDA device: samples of float32, float64, bfloat16 or float16, all of one shape of two dimensions or
    more, and one row of sigmas that need no gradients.

    Args:
        update: samples and outputs ``[B, C, ...]`` of one floating dtype, sigmas ``[steps + 1]``; see `MultistepUpdate`.

    Returns:
        ``[B, C, ...]`` in the dtype and on the device of ``update.sample``.

    Raises:
        Nothing. A singular ``R`` (two equal sigmas) gives inf or nan where upstream raises ``LinAlgError``, whose check is a host
        sync; the shipped implementations decline it.

    Mutates:
        Nothing.

    Source:
        SGLang ``runtime/models/schedulers/scheduling_unipc_multistep.py``: 6 host syncs per step to 0.5.12.post1, 2 from 0.5.13
        (#27440). diffusers ``schedulers/scheduling_unipc_multistep.py``: 6 to 0.37, 7 from 0.38. Both frameworks'
        ``scheduling_helios.py``: 12, SGLang's to 0.5.22. SGLang's ``scheduling_flow_unipc_multistep.py``, the default of Wan and
        Cosmos3, does not stall and launches about 100 kernels per step.
    """
    # The reference: UniPC written out, with a host round trip for every list of scalars.
    import torch

    u = update
    x, m0, device = u.sample, u.history[-1], u.sample.device
    sigmas = u.sigmas if u.scalars_follow == "sigmas" else u.sigmas.to(device)

    def point(i: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        sigma = sigmas[i]
        alpha = 1 / ((sigma**2 + 1) ** 0.5) if u.schedule == "vp" else 1 - sigma
        sigma = {"flow": sigma, "clamped_flow": torch.clamp(sigma, min=1e-8), "vp": sigma * alpha}[u.schedule]
        return alpha, sigma, torch.log(alpha) - torch.log(sigma)

    alpha_0, sigma_0, lambda_0 = point(u.start)
    alpha_t, sigma_t, lambda_t = point(u.start + 1)
    h = lambda_t - lambda_0
    hh = -h if u.predict_x0 else h
    narrow = torch.float32 if u.rounds_step else sigmas.dtype
    hh = hh.to(narrow)
    b_h = hh if u.solver_type == "bh1" else torch.expm1(hh)

    ratios = [(point(u.start - i)[2] - lambda_0) / h for i in range(1, u.order)]
    differences = [(m - m0) / r for m, r in zip(reversed(u.history[:-1]), ratios, strict=True)]
    if u.model_output is not None:
        differences.append(u.model_output - m0)

    phi, factorial, right = torch.expm1(hh) / hh - 1, 1, []
    for i in range(1, len(differences) + 1):
        right.append((phi * factorial / b_h).item())
        factorial *= i + 1
        phi = phi / hh - 1 / factorial
    size = len(differences)
    knots = torch.tensor([*(r.item() for r in ratios), 1.0], dtype=narrow, device=device)
    if len(differences) < 2:
        rhos = torch.tensor([0.5], dtype=x.dtype, device=device)
    elif len(differences) == 2 and u.phase == "corrector" and u.pair == "cramer":
        ratio, (b_0, b_1) = knots[0], torch.tensor(right, dtype=narrow, device=device)
        rhos = torch.stack([(b_0 - b_1) / (1 - ratio), (b_1 - ratio * b_0) / (1 - ratio)])
    else:
        # Of the predictor's matrix a part is solved, with the strides of the whole one: up to torch 2.8 they change the result.
        left = torch.stack([knots**i for i in range(len(knots))])
        rhos = torch.linalg.solve(left[:size, :size], torch.tensor(right, dtype=narrow, device=device)).to(x.dtype)

    older: torch.Tensor | int = 0
    if u.order > 1:
        older = torch.einsum("k,bkc...->bc...", rhos[: u.order - 1], torch.stack(differences[: u.order - 1], dim=1))
    change = older if u.model_output is None else older + rhos[-1] * differences[-1]
    ratio, kept = (sigma_t / sigma_0, alpha_t) if u.predict_x0 else (alpha_t / alpha_0, sigma_t)
    return (ratio * x - kept * torch.expm1(hh) * m0 - kept * b_h * change).to(x.dtype)


def inputs() -> Any:
    """Generate updates of every phase, order, solver, schedule, dtype and placement, on the CPU."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def updates(draw: st.DrawFn) -> dict[str, object]:
        steps = draw(st.integers(4, 12))
        order = draw(st.integers(1, 3))
        start = draw(st.integers(order - 1, steps - (1 if order == 1 else 2)))  # the last sigma is 0
        schedule: Any = draw(st.sampled_from(("flow", "clamped_flow", "vp")))
        if schedule != "vp":
            line = torch.linspace(1 - 1e-6, 1e-3, steps)
            shift = draw(st.floats(1, 8))
            sigmas = shift * line / (1 + (shift - 1) * line)
        else:
            sigmas = torch.logspace(draw(st.floats(0.5, 2)), -2, steps)
        dtype = draw(st.sampled_from((torch.float32, torch.bfloat16, torch.float16)))
        shape = draw(st.sampled_from(((1, 4), (2, 3, 5), (2, 4, 3, 3), (1, 4, 2, 3, 3))))
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
        noise = [torch.randn(shape, generator=generator).to(dtype) for _ in range(order + 2)]
        corrector = draw(st.booleans())
        update = MultistepUpdate(
            phase="corrector" if corrector else "predictor",
            order=order,
            solver_type=draw(st.sampled_from(("bh1", "bh2"))),
            predict_x0=draw(st.booleans()),
            schedule=schedule,
            sigmas=torch.cat([sigmas, torch.zeros(1)]),
            start=start,
            scalars_follow=draw(st.sampled_from(("sigmas", "sample"))),
            history=tuple(noise[:order]),
            sample=noise[order],
            model_output=noise[order + 1] if corrector else None,
            pair=draw(st.sampled_from(("solve", "cramer"))),
            rounds_step=draw(st.booleans()),
        )
        return {"update": update}

    return updates()


HOOK = Hook(
    name="scheduler_step",
    spec=scheduler_step,
    reference=scheduler_step,
    inputs=inputs,
    tolerance=Tolerance(
        rtol=2e-2, atol=2e-2, reason="bfloat16 samples; the terms nearly cancel when the step in log-SNR is small"
    ),
    summary="one predictor or corrector update of a multistep diffusion solver (UniPC)",
)
