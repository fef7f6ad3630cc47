"""Test only: lets vLLM's Ray executor take the CPU platform, by counting its workers as Ray's resource ``GPU``."""


def install() -> None:
    """Entry point of ``vllm.general_plugins``: run in every process of an engine."""
    from vllm.platforms.cpu import CpuPlatform

    CpuPlatform.ray_device_key = "GPU"
