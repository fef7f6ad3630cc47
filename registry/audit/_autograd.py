"""Pass thread states to autograd threads through torch's own thread-local objects, which ``backward()`` propagates."""

from __future__ import annotations

import ctypes
import os
import sys

import torch

from . import _record
from ._record import ThreadState

_KEY = "syncfree_audit"


def connect() -> None:
    """Let the recorder find the audits of the thread that called ``backward()``."""
    _record.connect(_publish, _inherited, os.path.dirname(torch.__file__) + os.sep)


def stash(key: str, value: object) -> None:
    """Keep an object in torch's thread-local state, which ``backward()`` propagates to autograd's threads."""
    if _takes_no_reference:
        keep(value)
    torch._C._stash_obj_in_tls(key, value)


def drop(key: str) -> None:
    """Keep the object no more. Torch 2.9 cannot remove it, and keeps None in its place."""
    remove = getattr(torch._C, "_remove_obj_from_tls", None)
    if remove is None:
        stash(key, None)
    else:
        remove(key)


def _publish(state: ThreadState) -> None:
    stash(_KEY, state)


def _inherited() -> ThreadState | None:
    if not torch._C._is_key_in_tls(_KEY):
        return None
    state: ThreadState = torch._C._get_obj_in_tls(_KEY)
    return state


keep = ctypes.pythonapi.Py_IncRef
keep.argtypes, keep.restype = [ctypes.py_object], None
"""Keep an object until the process exits."""


def _stashing_takes_no_reference() -> bool:
    """Return whether torch releases what it keeps without having taken a reference to it, as torch 2.9 does."""
    probe = [""]
    before = sys.getrefcount(probe)
    torch._C._stash_obj_in_tls(f"{_KEY}_probe", probe)
    if sys.getrefcount(probe) > before:
        return False
    keep(probe)
    return True


_takes_no_reference = _stashing_takes_no_reference()
