"""syncfree's hooks in vLLM-Omni's copy of diffusers' UniPC: all that an adapter's author writes.

`releases.json` beside this file was written by ``syncfree fingerprint vllm-omni --release 0.30.0``.
"""

from __future__ import annotations

from syncfree.adapters.host_timesteps import index_on_the_host, schedule_made_on_the_host
from syncfree.adapters.unipc import UniPCForm, unipc_binding
from syncfree.adapting import Adapter, Binding, Form

from .sigmas import sigmas_on_the_device

RELEASES = ">=0.30.0"
SCHEDULER = "vllm_omni.diffusion.models.schedulers.scheduling_flow_unipc_multistep:FlowUniPCMultistepScheduler"

ADAPTER = Adapter(
    framework="vllm-omni",
    package="vllm_omni",
    distributions=("vllm-omni",),
    home=__name__,
    bindings=(
        unipc_binding(
            SCHEDULER,
            UniPCForm(RELEASES, "sample", "sigmas uploaded one by one, lists of scalars, linalg.solve", only_flow=True),
            depends=("vllm_omni.diffusion.utils.flow_matching:safe_linalg_solve",),
        ),
        Binding(
            "host_timestep",
            (f"{SCHEDULER}.index_for_timestep",),
            (Form(RELEASES, "stalls", "2 host syncs per request", (index_on_the_host,)),),
        ),
        Binding(
            "schedule_upload",
            (f"{SCHEDULER}.set_timesteps", f"{SCHEDULER}.convert_model_output"),
            (
                Form(
                    RELEASES,
                    "stalls",
                    "1 pageable upload per request and 1 per step",
                    (schedule_made_on_the_host, sigmas_on_the_device),
                ),
            ),
        ),
    ),
)
