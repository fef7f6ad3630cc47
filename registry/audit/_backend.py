"""The three back ends that detect syncs, behind one interface."""

from __future__ import annotations

import importlib.util
from contextlib import AbstractContextManager
from typing import Literal, Protocol, get_args

from .._errors import nearest
from ._errors import AuditError

BackendName = Literal["auto", "cuda", "dry-run", "simulated"]


class Backend(Protocol):
    """Detects syncs and passes them to the recorder."""

    name: str

    @property
    def basis(self) -> str:
        """Return in one line what its counts rest on: what it shows, and what it cannot show."""
        ...

    def watching(self) -> AbstractContextManager[None]:
        """Return a context manager that this thread holds while it has an audit open."""
        ...


def select(name: str) -> Backend:
    """Return a back end that is ready in this process.

    ``auto``, in this order: the simulated or the dry-run device, if this process has it; a real GPU, if torch sees one; the
    simulated device, which is installed then. ``dry-run`` needs a process that was started with it.

    Raises:
        ValueError: no such back end.
        AuditError: it cannot run here; the message gives the reason and the next step.
    """
    if name not in get_args(BackendName):
        raise ValueError(f"no audit back end {name!r}{nearest(name, get_args(BackendName))}")
    if importlib.util.find_spec("torch") is None:
        raise AuditError("an audit needs PyTorch, and this Python has no torch; install it in this environment")
    from . import dry_run, simulated

    installed = "simulated" if simulated.is_installed() else "dry-run" if dry_run.is_installed() else None
    if installed and name not in ("auto", installed):
        raise AuditError(f"the {installed} device is installed in this process, so the {name} back end cannot be used in it")
    if installed == "dry-run" or name == "dry-run":
        from .dry_run._backend import backend

        return backend()
    if installed == "simulated":
        return simulated.backend()
    if name == "cuda" or (name == "auto" and _sees_gpu()):
        from . import _cuda

        return _cuda.backend()
    simulated.install()
    return simulated.backend()


def _sees_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
