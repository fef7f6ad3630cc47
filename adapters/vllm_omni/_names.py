"""vLLM-Omni's copies of diffusers' schedulers, and the first release of each."""

from __future__ import annotations

_MODELS = "vllm_omni.diffusion.models"
UNIPC = f"{_MODELS}.schedulers.scheduling_flow_unipc_multistep:FlowUniPCMultistepScheduler"
HELIOS = f"{_MODELS}.helios.scheduling_helios:HeliosScheduler"
EULER = f"{_MODELS}.schedulers.scheduling_flow_match_euler_discrete:FlowMatchEulerDiscreteScheduler"
WAN_EULER = f"{_MODELS}.wan2_2.scheduling_wan_euler:WanEulerScheduler"
MAMMOTH = f"{_MODELS}.mammoth_moda2.schedulers:FlowMatchEulerDiscreteScheduler"
BOOGU = f"{_MODELS}.boogu_image.scheduling_flow_match_euler_discrete_time_shifting:FlowMatchEulerDiscreteScheduler"
OMNIGEN = f"{_MODELS}.omnigen2.pipeline_omnigen2:FlowMatchEulerDiscreteScheduler"
RELEASES = {UNIPC: ">=0.14.0", HELIOS: ">=0.18.0", EULER: ">=0.26.0", WAN_EULER: ">=0.20.0"}
RELEASES |= {MAMMOTH: ">=0.18.0", BOOGU: ">=0.26.0", OMNIGEN: ">=0.16.0"}
