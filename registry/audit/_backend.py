"""The two ways to see syncs, behind one interface."""

from __future__ import annotations

import importlib.util
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from ._errors import AuditError

BackendName = Literal["auto", "cuda", "simulated"]


class Backend(Protocol):
    """What sees syncs and passes them to the recorder."""

    name: str

    def watching(self) -> AbstractContextManager[None]:
        """Whatever this thread needs while it has an audit open."""
        ...


def select(name: str) -> Backend:
    """Return a back end that is ready in this process.

    ``auto`` never installs the simulated device: it takes that device where it is installed already, a real
    GPU otherwise. ``simulated`` installs it.

    Raises:
        ValueError: no such back end.
        AuditError: it cannot run here; the message says why and what to do.
    """
    if name not in ("auto", "cuda", "simulated"):
        raise ValueError(f"no audit back end {name!r}; there are auto, cuda and simulated")
    if importlib.util.find_spec("torch") is None:
        raise AuditError("an audit needs PyTorch, and this Python has no torch; install it in this environment")
    from . import simulated

    if simulated.is_installed():
        if name == "cuda":
            raise AuditError("the simulated device is installed in this process, so the cuda back end cannot be used in it")
        return simulated.backend()
    if name == "simulated":
        simulated.install()
        return simulated.backend()
    from . import _cuda

    return _cuda.backend()
