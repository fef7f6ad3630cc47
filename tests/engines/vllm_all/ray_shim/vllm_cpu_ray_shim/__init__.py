"""Test only: a CPU platform that vLLM's Ray executor takes, because it counts workers as Ray's resource ``GPU``."""


def platform() -> str:
    """Entry point of ``vllm.platform_plugins``: a worker asks its platform before it loads any other plug-in."""
    return "vllm_cpu_ray_shim.platform.CpuPlatformForRay"
