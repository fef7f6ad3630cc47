"""A platform for vLLM-Omni without an accelerator, found by its entry point group `vllm_omni.platform_plugins`.

vLLM-Omni has platforms for accelerators only; on any other machine its "unspecified" one cannot start a worker.
"""

from __future__ import annotations


def platform() -> str:
    """Name the platform's class; it is imported after vLLM-Omni's own modules."""
    return "vllm_omni_host.platform.HostPlatform"
