"""Put the stub libraries in the place of NVIDIA's in this process, before torch is imported."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from pathlib import Path

from .._errors import AuditError

_DRIVER = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")
_log = logging.getLogger("syncfree")
_loaded: ctypes.CDLL | None = None
_zeroed = False


def is_loaded() -> bool:
    """Return whether this process runs on the dry-run device."""
    return _loaded is not None


def device() -> ctypes.CDLL:
    """Return the library with the state of the device.

    Raises:
        AuditError: this process does not run on the dry-run device.
    """
    if _loaded is None:
        raise AuditError(
            "this process does not run on the dry-run device, which must be there before torch is imported: start it with "
            "`syncfree audit --backend dry-run -- COMMAND`, or call syncfree.audit.dry_run.install() first"
        )
    return _loaded


def refuse_real_driver() -> None:
    """Raise `AuditError` where this machine has a driver of NVIDIA's."""
    for path in _DRIVER:
        if Path(path).exists():
            raise AuditError(f"this machine has a driver of NVIDIA's ({path}); the dry run never takes its place: use --backend cuda")


def is_zeroed() -> bool:
    """Return whether memory of the device is zero when it is allocated, as `Values` needs it."""
    return _zeroed


def load(*, values: bool = False) -> None:
    """Load the stub libraries; whatever is linked to NVIDIA's finds them by their names from now on.

    Raises:
        AuditError: torch was imported already, there is a real driver, or the libraries cannot be built.
    """
    global _loaded, _zeroed
    if _loaded is not None:
        return
    if "torch._C" in sys.modules:
        raise AuditError(
            "torch was imported already in this process; the dry run must come before: "
            "`syncfree audit --backend dry-run -- COMMAND`, or syncfree.audit.dry_run.install() before `import torch`"
        )
    from ._build import build
    from ._other_libraries import watch_loads

    refuse_real_driver()
    stubs = build()
    libraries = [ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL) for path in stubs]
    watch_loads(stubs)
    if values:
        # torch's caching allocator hands out what dead kernels left, which can crash its host code: a division by 0 bins.
        os.environ["PYTORCH_NO_CUDA_MEMORY_CACHING"] = "1"
        _zeroed = True
    os.environ.setdefault("TRITON_LIBCUDA_PATH", str(Path(libraries[0]._name).parent))
    _loaded = libraries[0]
    _log.warning("syncfree: dry run in process %d: there is no GPU here, kernels do nothing, and values are not real", os.getpid())
