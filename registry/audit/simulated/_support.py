"""The installations that the simulated device supports, and a clear error everywhere else."""

from __future__ import annotations

import platform
import sys

from packaging.version import Version

from .._errors import AuditError

OLDEST = (2, 9)
TESTED = ("2.9", "2.10", "2.11", "2.12", "2.13", "2.14", "2.15")
"""Minor releases of torch with which the tests of the nox session `simulated_torch` were run. Others must pass the self-test."""

_SERVERS = {
    "uvicorn.server": "uvicorn",
    "hypercorn.run": "hypercorn",
    "gunicorn.arbiter": "gunicorn",
    "vllm.entrypoints.openai.api_server": "the vLLM server",
    "sglang.srt.entrypoints.http_server": "the SGLang server",
    "sglang.multimodal_gen.runtime.entrypoints.http_server": "the SGLang diffusion server",
}
_MARK = "_syncfree_simulated_device"


def check() -> None:
    """Refuse to install where the simulated device is untested or could do harm.

    Raises:
        AuditError: one sentence with the obstacle and the next step.
    """
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise AuditError(
            f"the simulated CUDA device runs on Linux x86-64 only, this is {platform.system()} {platform.machine()}"
        )
    try:
        import torch
    except ModuleNotFoundError as error:
        raise AuditError(
            f"the simulated CUDA device needs PyTorch, and this Python has no torch; install torch {TESTED[-1]}, any build of it"
        ) from error
    except ImportError as error:
        raise AuditError(
            f"the simulated CUDA device needs PyTorch, and torch cannot be imported here: {error}; where NVIDIA's libraries are "
            "missing, use the dry run, which brings stand-ins for them: syncfree audit --backend dry-run"
        ) from error
    other = getattr(torch.cuda, _MARK, None)
    if other is not None:
        raise AuditError(
            f"a simulated CUDA device is already installed in this process, by {other}; it stays until the process exits: call "
            "syncfree.audit.simulated.is_installed() before a second install"
        )
    if torch.cuda.is_available():
        raise AuditError(
            f"this process has a real GPU ({torch.cuda.get_device_name()}): audit with backend='cuda', or hide it with "
            "CUDA_VISIBLE_DEVICES="
        )
    if torch.version.hip:
        raise AuditError(
            f"torch {torch.__version__} is a ROCm build, and the simulated CUDA device was not tested with its kernels; use a "
            "CPU build or one for CUDA, in a separate environment"
        )
    if Version(torch.__version__).release[:2] < OLDEST:
        raise AuditError(
            f"the simulated CUDA device uses parts of torch that {torch.__version__} does not have; install torch "
            f"{TESTED[0]} or later, any build of it"
        )
    for module, name in _SERVERS.items():
        if module in sys.modules:
            raise AuditError(
                f"{name} is loaded in this process: the simulated CUDA device computes on the CPU and is for audits only, never "
                "where requests are served"
            )


def installed() -> str:
    """Return the release of torch."""
    import torch

    return str(torch.__version__)


def is_tested(release: str) -> bool:
    """Return whether the tests were run with this minor release of torch."""
    return ".".join(map(str, Version(release).release[:2])) in TESTED


def mark(installer: str) -> None:
    """Mark the device as installed, also for a second copy of this package in the process."""
    import torch

    setattr(torch.cuda, _MARK, installer)
