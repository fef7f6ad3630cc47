"""The dry run: PyTorch's own CUDA code, on a machine without a GPU.

A build of torch for CUDA is linked to NVIDIA's libraries by the names of their symbols. Small libraries of ours stand in for
them: device memory is host memory, kernel launches do nothing, and every wait, copy and launch is counted. Whether the host
waits is then decided by the code that runs on a GPU, not by a table of ours.

    from syncfree.audit import audit, dry_run

    dry_run.install()  # before torch is imported
    import torch

    with audit() as report:
        torch.ones(3, device="cuda").sum().item()

Values are not real: what a kernel would have computed is whatever the memory held. Importing this module imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._load import is_loaded, load, refuse_real_driver

if TYPE_CHECKING:
    from ._backend import count_activities
    from ._counting import counts
    from ._cpu_body import cpu_body
    from ._values import Values

__all__ = ["Values", "count_activities", "counts", "cpu_body", "install", "is_installed", "prepare"]


def __getattr__(name: str) -> object:
    if name == "counts":
        from ._counting import counts

        return counts
    if name == "count_activities":
        from ._backend import count_activities

        return count_activities
    if name not in ("Values", "cpu_body"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _cpu_body, _values, bodies  # these import torch, which must not be imported before `install`

    assert bodies
    return getattr(_values if name == "Values" else _cpu_body, name)


def install(*, values: bool = False) -> None:
    """Put the dry-run device into this process; torch must not have been imported yet.

    Args:
        values: allocate memory that is zero, for `Values`. torch caches none then: its statistics of memory are empty, and CUDA
            graphs cannot be captured.

    Settings, from the environment: ``SYNC_AUDIT_DRY_RUN_CAPABILITY`` (compute capability times ten, 90), ``..._MEMORY_GIB`` (80) and
    ``..._DEVICES`` (1).

    Raises:
        AuditError: torch was imported already or is not a build for a CUDA that is known, there is a real driver, or the stub
            libraries cannot be built; the message says what to do.
    """
    load(values=values)


def prepare() -> None:
    """Build the stub libraries for the packages of this environment, where they are not in the cache yet. Imports no torch.

    Raises:
        AuditError: see `install`.
    """
    from ._build import build  # a process that may be at its end already imports this package: it needs few modules

    refuse_real_driver()
    build()


def is_installed() -> bool:
    """Return whether this process runs on the dry-run device."""
    return is_loaded()
