"""vLLM-Omni's diffusion runtime: its copies of diffusers' schedulers.

The adapter is data and one replacement of its own; an adapter in a distribution of its own looks the same, and is found by an
entry point of the group ``syncfree.adapters``.
"""

from __future__ import annotations

from syncfree.adapting import Adapter

from . import host_timestep, schedule_upload, scheduler_step

ADAPTER = Adapter(
    framework="vllm-omni",
    package="vllm_omni",
    distributions=("vllm-omni",),
    bindings=(*scheduler_step.BINDINGS, *host_timestep.BINDINGS, *schedule_upload.BINDINGS),
    home=__name__,
    reviewed="0.30.0",
)
