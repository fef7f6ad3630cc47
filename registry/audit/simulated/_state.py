"""What the installed device is in: shared by the kernels, which must not import each other."""

from __future__ import annotations

from .._errors import AuditError

forked = False  # True in a child of a fork after the installation


def refuse_after_fork() -> None:
    """Say what torch says of a real device.

    Raises:
        AuditError: always.
    """
    raise AuditError(
        "the simulated CUDA device was installed before this process was forked, and as with real CUDA a forked child "
        "cannot use it; start the child with the 'spawn' method, or install after the fork"
    )
