"""vLLM-Omni's diffusion runtime: its copies of diffusers' schedulers.

The adapter is data and one replacement of its own; an adapter in a distribution of its own looks the same, and is found by an
entry point of the group ``syncfree.adapters``.
"""

from __future__ import annotations

from syncfree.adapters.host_timesteps import index_on_the_host, schedule_made_on_the_host
from syncfree.adapters.unipc import UniPCForm, unipc_binding
from syncfree.adapting import Adapter, Binding, Form

from .sigmas import sigmas_on_the_device

_MODELS = "vllm_omni.diffusion.models"
UNIPC = f"{_MODELS}.schedulers.scheduling_flow_unipc_multistep:FlowUniPCMultistepScheduler"
HELIOS = f"{_MODELS}.helios.scheduling_helios:HeliosScheduler"
EULER = f"{_MODELS}.schedulers.scheduling_flow_match_euler_discrete:FlowMatchEulerDiscreteScheduler"
WAN_EULER = f"{_MODELS}.wan2_2.scheduling_wan_euler:WanEulerScheduler"
_INDEX = "2 host syncs per request without a begin index: the index of the first timestep"
_SIGMAS = "sigmas uploaded one by one, lists of scalars, linalg.solve"

ADAPTER = Adapter(
    framework="vllm-omni",
    package="vllm_omni",
    distributions=("vllm-omni",),
    home=__name__,
    reviewed="0.30.0",
    bindings=(
        unipc_binding(
            UNIPC,
            UniPCForm(">=0.14.0", "sample", _SIGMAS, only_flow=True),
            depends=("vllm_omni.diffusion.utils.flow_matching:safe_linalg_solve",),
        ),
        unipc_binding(
            HELIOS,
            UniPCForm(">=0.18.0", "sigmas", "12 host syncs per step at order 2: lists of device scalars", flow="clamped_flow"),
        ),
        Binding("host_timestep", (f"{UNIPC}.index_for_timestep",), (Form(">=0.14.0", "stalls", _INDEX, (index_on_the_host,)),)),
        Binding("host_timestep", (f"{HELIOS}.index_for_timestep",), (Form(">=0.18.0", "stalls", _INDEX, (index_on_the_host,)),)),
        Binding("host_timestep", (f"{EULER}.index_for_timestep",), (Form(">=0.26.0", "stalls", _INDEX, (index_on_the_host,)),)),
        Binding(
            "schedule_upload",
            (f"{UNIPC}.set_timesteps", f"{UNIPC}.convert_model_output"),
            (
                Form(
                    ">=0.14.0",
                    "stalls",
                    "1 pageable upload per request and 1 per step",
                    (schedule_made_on_the_host, sigmas_on_the_device),
                ),
            ),
        ),
        *(
            Binding(
                "schedule_upload",
                (f"{scheduler}.set_timesteps",),
                (Form(releases, "stalls", "1 to 2 pageable uploads per request", (schedule_made_on_the_host,)),),
            )
            for scheduler, releases in ((HELIOS, ">=0.18.0"), (EULER, ">=0.26.0"), (WAN_EULER, ">=0.20.0"))
        ),
    ),
)
