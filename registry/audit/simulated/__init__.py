"""A simulated CUDA device for PyTorch without a GPU: ``device="cuda"`` code computes real values, and its syncs are recorded.

For audits only, in a separate process: it is process-wide and cannot be removed. Only a call of `install` switches it on
(made by ``audit(backend="simulated")``, and by ``@pytest.mark.sync_budget`` and ``syncfree audit`` in processes that they
start): no import, no environment variable, no configuration file.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from .._errors import AuditError
from ._support import TESTED

__all__ = ["TESTED", "SimulatedBackend", "backend", "install", "is_installed", "poison"]


class SimulatedBackend:
    """The back end of the simulated device, whose kernels record syncs in every thread."""

    name = "simulated"

    @property
    def basis(self) -> str:
        """Return what the counts rest on."""
        from . import _support

        release = _support.installed()
        known = "" if _support.is_tested(release) else f", which was tested with {TESTED[0]} to {TESTED[-1]} only"
        return (
            f"simulated device, rules of torch {release}{known}: shows what waits in PyTorch's operators and copies, "
            "not what waits inside NVIDIA's libraries, Triton kernels and extensions"
        )

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Do nothing: the kernels always record."""
        yield


_backend: SimulatedBackend | None = None


def install() -> None:
    """Give this process a CUDA device that computes on the CPU, until it exits.

    Call it before any code checks whether CUDA is available, and before other threads use torch.

    Raises:
        AuditError: a second install, a torch older than 2.9, another platform, a ROCm build, a real GPU, or a server in this
            process, or a failed self-test.
    """
    global _backend
    from . import _support

    _support.check()
    from . import _install, _trial

    release = _support.installed()
    if not _support.is_tested(release):
        problem = _trial.problem(_install.install)
        if problem:
            raise AuditError(
                f"the simulated CUDA device changes private parts of torch, was tested with {TESTED[0]} to {TESTED[-1]}, and does "
                f"not work with {release} ({problem}); install one of those releases"
            )
    _install.install()
    _support.mark(__file__)
    _backend = SimulatedBackend()
    logging.getLogger("syncfree.audit").info("a simulated CUDA device is installed in process %d, for audits", os.getpid())


def is_installed() -> bool:
    """Return whether `install` has succeeded in this process."""
    return _backend is not None


def backend() -> SimulatedBackend:
    """Return the audit back end of the installed device."""
    assert _backend is not None
    return _backend


@contextmanager
def poison() -> Iterator[None]:
    """Detect races of ``non_blocking`` copies in the block.

    A download's destination holds NaN (integers: bytes 0xA5) until the host has waited for it; an upload's pinned source
    must not change until then; no other stream may use an upload's destination without waiting for it.

    Raises:
        PinnedMemoryRace: for the second and third, at the next wait, copy or kernel that shows it, or at the end.
    """
    if not is_installed():
        raise AuditError("poison mode needs the simulated device: call syncfree.audit.simulated.install() first")
    from . import _ordering

    with _ordering.poison():
        yield
