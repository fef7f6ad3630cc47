"""Arguments that schedulers are made with and asked for schedules with, by the names of their parameters."""

from __future__ import annotations

import inspect
import math
from random import Random
from typing import Any

FLAGS = {
    "clip_denoised",
    "clip_sample",
    "euler_at_final",
    "invert_sigmas",
    "lower_order_final",
    "predict_x0",
    "rescale_betas_zero_snr",
    "set_alpha_to_one",
    "skip_prk_steps",
    "stochastic_sampling",
    "thresholding",
    "use_beta_sigmas",
    "use_dynamic_shifting",
    "use_exponential_sigmas",
    "use_flow_sigmas",
    "use_karras_sigmas",
    "use_lu_lambdas",
}
VALUES: dict[str, tuple[Any, ...]] = {
    "algorithm_type": ("dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++", "deis", "data_prediction"),
    "beta_schedule": ("linear", "scaled_linear", "squaredcos_cap_v2"),
    "clip_sample_range": (1.0, 0.3),
    "corrector_order": (1, 2, 3),
    "disable_corrector": ([], [0, 2]),
    "eta": (0.0, 0.5, 1.0),
    "final_sigmas_type": ("zero", "sigma_min"),
    "flow_shift": (1.0, 3.0, 7),
    "gamma": (1 / 3, 0.5),
    "interpolation_type": ("linear", "log_linear"),
    "lambda_min_clipped": (-math.inf, -5.1),
    "num_train_timesteps": (1000, 40, 1),
    "original_inference_steps": (50, 10),
    "prediction_type": ("epsilon", "sample", "v_prediction", "flow_prediction", "wrong"),
    "predictor_order": (1, 2, 3),
    "s_noise": (1.0, 1.3),
    "scheduler_type": ("unipc", "euler", "dmd"),
    "shift": (1.0, 3.0, 12.0),
    "shift_terminal": (None, 0.1),
    "sigma_max": (None, 14.0, 80.0),
    "sigma_min": (None, 0.002, 0.1),
    "snr_shift_scale": (3.0, 1.0),
    "solver_order": (1, 2, 3),
    "solver_type": ("bh1", "bh2", "logrho", "midpoint", "heun"),
    "stages": (1, 3),
    "steps_offset": (0, 1),
    "time_shift_type": ("exponential", "linear"),
    "timestep_scaling": (10.0, 1, 3.5),
    "timestep_spacing": ("linspace", "leading", "trailing"),
    "timestep_type": ("discrete", "continuous"),
    "trained_betas": (None, [0.02] * 40, [0.9] * 300),
    "variance_type": (None, "fixed_small", "fixed_small_log", "fixed_large", "learned", "learned_range"),
}
PIPELINES: dict[str, tuple[dict[str, Any], ...]] = {
    "UniPCMultistepScheduler": (
        {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0},
        {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "solver_order": 3},
    ),
}
"""What pipelines make them with."""
CUSTOM = {
    "timesteps": (
        [901, 700, 501, 250, 1],
        [20, 11, 5, 1],
        [900.5, 500.25, 1.0],
        [1, 250, 700],
        [1001, 5],
        [500, 500, 100],
        [],
        "5",
    ),
    "sigmas": (
        [1.0, 0.8, 0.5, 0.2, 0.05],
        [14.0, 5.0, 1.0, 0.1],
        [0.9, 0.9, 0.4, 0.4],
        [0.9, float("nan"), 0.2],
        [float("inf"), 1.0, 0.1],
        [1e-40, 0.0, 0.0],
        [[0.9, 0.5], [0.4, 0.1]],
        [],
    ),
    "mu": (0.8, 1.15),
    "strength": (1.0, 0.5),
    "original_inference_steps": (20, 50),
    "num_train_timesteps": (500,),
    "jump_length": (2,),
    "jump_n_sample": (2, 3),
    "is_amplify_first_chunk": (True,),
}


def configuration(random: Random, owner: Any) -> dict[str, Any]:
    """Return what to make a scheduler with; most draw few arguments that are not the default."""
    found: dict[str, Any] = {}
    if owner.__name__ in PIPELINES and random.random() < 0.4:
        found |= random.choice(PIPELINES[owner.__name__])
    share = random.choice((0.0, 0.1, 0.1, 0.3))
    for name, parameter in inspect.signature(owner.__init__).parameters.items():
        if random.random() >= share:
            continue
        if name in FLAGS:
            found[name] = not parameter.default
        elif name in VALUES:
            found[name] = random.choice(VALUES[name])
    return found


def schedule(random: Random, owner: Any) -> dict[str, Any]:
    """Return what to ask for a schedule with, but for the device."""
    parameters = inspect.signature(owner.set_timesteps).parameters
    found: dict[str, Any] = {"num_inference_steps": random.choice((1, 2, 3, 4, 5, 5, 6, 8))}
    if owner.__name__.startswith("Helios"):
        found["stage_index"] = random.choice((0, 0, 1, 2))
    if random.random() < 0.06:
        found["num_inference_steps"] = random.choice((0, -1, None, 2.5, 2.5, "3", 1001))
    for name, values in CUSTOM.items():
        likely = 0.15 if name in ("timesteps", "sigmas") else 0.1
        if name in parameters and random.random() < likely:
            found[name] = random.choice(values)
            if name in ("timesteps", "sigmas") and random.random() < 0.8:
                found.pop("num_inference_steps", None)
    if owner.__name__ == "SCMScheduler" and random.random() < 0.9:
        custom = found.get("timesteps")
        found["num_inference_steps"] = found.get("num_inference_steps", len(custom or "") - 1)
        found |= {"intermediate_timesteps": None} if found["num_inference_steps"] != 2 or custom else {}
        found |= {"max_timesteps": None} if custom else {}
    return found
