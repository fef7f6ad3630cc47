"""Every diffusers scheduler whose scalars come from a table, and which of its methods are replaced."""

from __future__ import annotations

from syncfree.adapters.diffusers.noise import RANDN_TENSOR
from syncfree.adapting import Binding, Compose, Form

from .euler import ancestral_from_a_table, euler_from_a_table
from .flow_match_euler import flow_match_from_a_table
from .heun import heun_from_a_table
from .lms import integral_from_a_table
from .sigmas import scaled_from_a_table
from .updates import conversion_from_a_table, update_from_a_table

_DPM = ("dpmsolver++", "dpmsolver", "sde-dpmsolver++", "sde-dpmsolver")
_FLOW = "use_flow_sigmas"
_PREDICTIONS = ("epsilon", "sample", "v_prediction", "flow_prediction")
_CONVERTED = {"convert_model_output": conversion_from_a_table("algorithm_type", _DPM, "prediction_type", "variance_type", _FLOW)}
_DPM_MULTISTEP: dict[str, Compose] = {
    **_CONVERTED,
    "dpm_solver_first_order_update": update_from_a_table(1, _DPM, _FLOW),
    "multistep_dpm_solver_second_order_update": update_from_a_table(2, _DPM, "solver_type", _FLOW),
    "multistep_dpm_solver_third_order_update": update_from_a_table(3, _DPM, _FLOW),
}
_DPM_SINGLESTEP: dict[str, Compose] = {
    **_CONVERTED,
    "dpm_solver_first_order_update": update_from_a_table(1, _DPM, _FLOW),
    "singlestep_dpm_solver_second_order_update": update_from_a_table(2, _DPM, "solver_type", _FLOW),
    "singlestep_dpm_solver_third_order_update": update_from_a_table(3, _DPM, "solver_type", _FLOW),
}
_DEIS: dict[str, Compose] = {
    "convert_model_output": conversion_from_a_table("algorithm_type", ("deis",), "prediction_type", _FLOW),
    "deis_first_order_update": update_from_a_table(1, ("deis",), _FLOW),
    "multistep_deis_second_order_update": update_from_a_table(2, ("deis",), _FLOW),
    "multistep_deis_third_order_update": update_from_a_table(3, ("deis",), _FLOW),
}
_UNIPC: dict[str, Compose] = {
    "convert_model_output": conversion_from_a_table("prediction_type", _PREDICTIONS, _FLOW, state=("predict_x0",))
}
_SCALED: dict[str, Compose] = {"scale_model_input": scaled_from_a_table}

SCHEDULERS: dict[str, dict[str, Compose]] = {
    "scheduling_euler_discrete:EulerDiscreteScheduler": {**_SCALED, "step": euler_from_a_table},
    "scheduling_euler_ancestral_discrete:EulerAncestralDiscreteScheduler": {**_SCALED, "step": ancestral_from_a_table},
    "scheduling_heun_discrete:HeunDiscreteScheduler": {**_SCALED, "step": heun_from_a_table},
    "scheduling_lms_discrete:LMSDiscreteScheduler": {**_SCALED, "get_lms_coefficient": integral_from_a_table},
    "scheduling_flow_match_euler_discrete:FlowMatchEulerDiscreteScheduler": {"step": flow_match_from_a_table},
    "scheduling_dpmsolver_multistep:DPMSolverMultistepScheduler": _DPM_MULTISTEP,
    "scheduling_dpmsolver_multistep_inverse:DPMSolverMultistepInverseScheduler": _DPM_MULTISTEP,
    "scheduling_dpmsolver_singlestep:DPMSolverSinglestepScheduler": _DPM_SINGLESTEP,
    "scheduling_unipc_multistep:UniPCMultistepScheduler": _UNIPC,
    "scheduling_deis_multistep:DEISMultistepScheduler": _DEIS,
}
"""Methods with how each is replaced, by ``module:Class`` below ``diffusers.schedulers``."""


def _step_coefficients(name: str, methods: dict[str, Compose]) -> Binding:
    owner = f"diffusers.schedulers.{name}"
    helpers = (f"{owner}._sigma_to_alpha_sigma_t",) if "convert_model_output" in methods else ()
    drawing = (RANDN_TENSOR,) if ancestral_from_a_table in methods.values() else ()
    return Binding(
        hook="step_coefficients",
        targets=tuple(f"{owner}.{method}" for method in methods),
        depends=(*helpers, *drawing),
        forms=(Form(">=0.35.0", "repeats work", "the scalars of a step, in each step", tuple(methods.values())),),
    )


BINDINGS = tuple(_step_coefficients(name, methods) for name, methods in SCHEDULERS.items())
