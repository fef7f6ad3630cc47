"""State of the installed device, shared by the kernels, which must not import each other."""

from __future__ import annotations

from .._errors import AuditError

forked = False  # True in a child of a fork after the installation


def refuse_after_fork() -> None:
    """Raise `AuditError` in a forked child, as torch does for a real device."""
    raise AuditError(
        "the simulated CUDA device was installed before this process was forked, and as with real CUDA a forked child "
        "cannot use it; start the child with the 'spawn' method, or install after the fork"
    )
