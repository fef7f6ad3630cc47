"""SGLang's ``HeliosScheduler``: UniPC with sigmas on the denoising device, which a caller may also pass one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapters.unipc import UniPCForm, translation
from syncfree.adapting import Binding, Form

_SCHEDULERS = "sglang.multimodal_gen.runtime.models.schedulers"
_SCHEDULER = f"{_SCHEDULERS}.scheduling_helios:HeliosScheduler"
_FORMS = (
    UniPCForm(
        ">=0.5.10,<0.5.23", "sigmas", "12 host syncs per step at order 2: lists of device scalars", flow="clamped_flow"
    ),
    UniPCForm(
        ">=0.5.23", "sigmas", "no host sync, about 100 launches per step", status="repeats work", flow="clamped_flow"
    ),
)


def _predictor(step: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    translate = translation(upstream, _FORMS[0])

    def multistep_uni_p_bh_update(
        self: Any, model_output: Any, sample: Any = None, order: Any = None, sigma: Any = None, sigma_next: Any = None
    ) -> Any:
        if sample is None or sigma is not None or sigma_next is not None:
            return NotImplemented
        update = translate(self, 0, order, sample, None)
        return NotImplemented if update is None else step(update)

    return multistep_uni_p_bh_update


def _corrector(step: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    translate = translation(upstream, _FORMS[0])

    def multistep_uni_c_bh_update(
        self: Any,
        this_model_output: Any,
        last_sample: Any = None,
        this_sample: Any = None,
        order: Any = None,
        sigma_before: Any = None,
        sigma: Any = None,
    ) -> Any:
        if last_sample is None or this_sample is None or this_model_output is None:
            return NotImplemented
        if sigma_before is not None or sigma is not None:
            return NotImplemented
        if getattr(this_sample, "device", None) != getattr(last_sample, "device", None):
            return NotImplemented
        update = translate(self, 1, order, last_sample, this_model_output)
        return NotImplemented if update is None else step(update)

    return multistep_uni_c_bh_update


BINDING = Binding(
    hook="scheduler_step",
    targets=(f"{_SCHEDULER}.multistep_uni_p_bh_update", f"{_SCHEDULER}.multistep_uni_c_bh_update"),
    depends=(f"{_SCHEDULER}._sigma_to_alpha_sigma_t", f"{_SCHEDULERS}.unipc:compute_unipc_bh_coefficients"),
    forms=tuple(Form(form.releases, form.status, form.why, (_predictor, _corrector)) for form in _FORMS),
    repeatable=True,
)
