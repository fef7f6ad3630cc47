"""The pipelines that are run: their tiny models, what a request asks for, and which hooks it reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

STEPS = 12


@dataclass(frozen=True, slots=True)
class Tiny:
    """One way to denoise.

    `pipeline` is the name that such models have in vLLM-Omni's registry, `model` one of tests.models, `sampling` are arguments of a
    request's sampling parameters, `files` have the scheduler's code, and `choices` say, for each bound method of the scheduler,
    which implementation runs by default.
    """

    pipeline: str
    model: str
    scheduler: str
    sampling: dict[str, Any]
    files: tuple[str, ...]
    choices: dict[str, str]


VIDEO = {"height": 32, "width": 32, "num_frames": 5}
UNIPC = dict.fromkeys(("multistep_uni_p_bh_update", "multistep_uni_c_bh_update"), "coefficient_table")
SCHEDULE = dict.fromkeys(("index_for_timestep", "set_timesteps"), "sync_free")
PIPELINES = {
    "wan": Tiny(
        "WanPipeline",
        "omni-wan",
        "FlowUniPCMultistepScheduler",
        VIDEO,
        ("scheduling_flow_unipc_multistep.py", "flow_matching.py"),
        {**UNIPC, **SCHEDULE, "convert_model_output": "sync_free"},
    ),
    "wan_euler": Tiny(
        "WanPipeline",
        "omni-wan",
        "WanEulerScheduler",
        {**VIDEO, "extra_args": {"sample_solver": "euler"}},
        ("scheduling_wan_euler.py",),
        SCHEDULE,
    ),
    "helios": Tiny(
        "HeliosPipeline",
        "omni-helios",
        "HeliosScheduler",
        VIDEO,
        ("scheduling_helios.py",),
        {**UNIPC, "set_timesteps": "sync_free"},  # its steps are counted from 0, not searched
    ),
}
