"""Bind `scheduler_step` to diffusers' ``UniPCMultistepScheduler``, or to any copy of it in another project.

A copy is bound with a few lines, because all of them keep the signatures and the attributes of the original::

    BINDING = unipc_binding(
        "your_project.schedulers:UniPCMultistepScheduler",
        UniPCForm(">=1.0,<2", scalars_follow="sigmas", why="6 host syncs per step"),
    )
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from syncfree.adapting import Binding, Compose, Form, Status
from syncfree.hooks.scheduler_step import MultistepUpdate


class UniPCForm(NamedTuple):
    """One form of the two update methods over a range of releases.

    Attributes:
        releases: a version specifier.
        scalars_follow: ``sample`` where the methods say ``self.sigmas[i].to(device)``, otherwise ``sigmas``.
        why: what the form costs.
        status: as in `Form`.
        flow: what ``_sigma_to_alpha_sigma_t`` does with flow sigmas.
        only_flow: it knows no other sigmas, and reads no ``config.use_flow_sigmas``.
        pair: see `MultistepUpdate`.
        rounds_step: likewise.
    """

    releases: str
    scalars_follow: Literal["sigmas", "sample"]
    why: str
    status: Status = "stalls"
    flow: Literal["flow", "clamped_flow"] = "flow"
    only_flow: bool = False
    pair: Literal["solve", "cramer"] = "solve"
    rounds_step: bool = False


def unipc_binding(scheduler: str, *forms: UniPCForm, depends: tuple[str, ...] = (), note: str = "") -> Binding:
    """Make the binding of a UniPC scheduler class.

    Args:
        scheduler: ``"package.module:Class"``.
        forms: the forms its methods took, by release.
        depends: further functions that the two methods call.
        note: a hazard that plan and doctor print.
    """
    return Binding(
        hook="scheduler_step",
        targets=(f"{scheduler}.multistep_uni_p_bh_update", f"{scheduler}.multistep_uni_c_bh_update"),
        depends=(f"{scheduler}._sigma_to_alpha_sigma_t", *depends),
        forms=tuple(Form(form.releases, form.status, form.why, (_predictor(form), _corrector(form))) for form in forms),
        note=note,
        repeatable=True,  # the predictor's solver_p, which is stateful, is declined
    )


def _predictor(form: UniPCForm) -> Compose:
    def compose(step: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        translate = translation(upstream, form)

        def multistep_uni_p_bh_update(
            self: Any,
            model_output: Any,
            *args: Any,
            sample: Any = None,
            order: Any = None,
            sigma: Any = None,  # Helios has this one and the next
            sigma_next: Any = None,
            **kwargs: Any,
        ) -> Any:
            if args or kwargs or sigma is not None or sigma_next is not None or sample is None or self.solver_p is not None:
                return NotImplemented
            update = translate(self, 0, order, sample, None)
            return NotImplemented if update is None else step(update)

        return multistep_uni_p_bh_update

    return compose


def _corrector(form: UniPCForm) -> Compose:
    def compose(step: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        translate = translation(upstream, form)

        def multistep_uni_c_bh_update(
            self: Any,
            this_model_output: Any,
            *args: Any,
            last_sample: Any = None,
            this_sample: Any = None,
            order: Any = None,
            sigma_before: Any = None,  # Helios has this one and the next
            sigma: Any = None,
            **kwargs: Any,
        ) -> Any:
            if args or kwargs or sigma_before is not None or sigma is not None:
                return NotImplemented
            if last_sample is None or this_sample is None or this_model_output is None:
                return NotImplemented
            if getattr(this_sample, "device", None) != getattr(last_sample, "device", None):
                return NotImplemented
            update = translate(self, 1, order, last_sample, this_model_output)
            return NotImplemented if update is None else step(update)

        return multistep_uni_c_bh_update

    return compose


def translation(
    upstream: Callable[..., Any], form: UniPCForm
) -> Callable[[Any, int, Any, Any, Any], MultistepUpdate | None]:
    """Make the function that reads an update off a scheduler; None where upstream must run, and raise what it raises.

    Args:
        upstream: the update method, whose class has the ``_sigma_to_alpha_sigma_t`` that the binding depends on.
        form: how that release computes.
    """
    import torch

    from syncfree.adapters.host_copies import host_copy_of
    from syncfree.plugins.ordinary import is_ordinary

    owner = upstream.__globals__[upstream.__qualname__.split(".")[0]]
    alpha_sigma = owner._sigma_to_alpha_sigma_t
    default_dtype, promote_types = torch.get_default_dtype, torch.promote_types

    def translate(scheduler: Any, steps_back: int, order: Any, sample: Any, model_output: Any) -> MultistepUpdate | None:
        config, sigmas, index, outputs = scheduler.config, scheduler.sigmas, scheduler.step_index, scheduler.model_outputs
        if type(order) is not int or type(index) is not int or type(outputs) is not list or not 0 < order <= len(outputs):
            return None
        if not is_ordinary(sample) or not is_ordinary(sigmas):
            return None
        solver_type = config.solver_type
        if solver_type not in ("bh1", "bh2"):
            return None
        if getattr(scheduler._sigma_to_alpha_sigma_t, "__func__", None) is not alpha_sigma:
            return None  # overridden: the schedule is not one of the two that the contract knows
        if (not sigmas.is_cpu or form.pair == "cramer") and sigmas.device != sample.device:
            return None  # what uses Cramer's rule uploads some of the sigmas only
        if sigmas.dtype is not default_dtype() and promote_types(sigmas.dtype, default_dtype()) is not sigmas.dtype:
            return None  # upstream appends 1.0 in the default dtype to a list of scalars
        return MultistepUpdate(
            phase="corrector" if steps_back else "predictor",
            order=order,
            solver_type=solver_type,
            predict_x0=scheduler.predict_x0,
            schedule=form.flow if form.only_flow or config.use_flow_sigmas else "vp",
            sigmas=sigmas,
            start=index - steps_back,
            scalars_follow=form.scalars_follow,
            history=tuple(outputs[-order:]),
            sample=sample,
            model_output=model_output,
            host_sigmas=host_copy_of(sigmas),
            pair=form.pair,
            rounds_step=form.rounds_step,
        )

    return translate
