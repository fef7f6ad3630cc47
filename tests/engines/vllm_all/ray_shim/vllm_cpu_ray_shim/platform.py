"""The platform; a module of its own because vLLM imports it when it has decided."""

from vllm.platforms.cpu import CpuPlatform


class CpuPlatformForRay(CpuPlatform):
    ray_device_key = "GPU"
