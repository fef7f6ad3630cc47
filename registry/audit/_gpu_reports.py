"""Switch on torch's reports of waits on a GPU, without those that lose an exception of the program.

torch also reports each event and each block of memory that it frees, by calling Python at that place. Where that happens while
an exception is being raised, as it does when a frame with CUDA tensors is left by one, the call fails and the exception is lost:
the program sees ``SystemError: error return without exception set``. Gradient checkpointing raises such an exception in every step.
Only waits are of interest here, so torch gets a table of methods in which the other reports do nothing.
"""

from __future__ import annotations

import ctypes
import logging
import os

import torch
from torch.cuda import _gpu_trace

from ._errors import AuditError
from ._method_tables import ROOT, Table, slots, table_of

_STATE = "_ZN3c104impl8GPUTrace13gpuTraceStateE"  # atomic<PyInterpreter const*>
_PREFIX = "trace_gpu_"
_WAITS = ("device_synchronization", "stream_synchronization", "event_synchronization")
_log = logging.getLogger("syncfree")
_keep_alive: list[object] = []  # C++ points into these for the rest of the process


def switch_on() -> None:
    """Let torch report waits until the process exits; it has no way to switch that off."""
    torch._C._activate_gpu_trace()
    if _keep_alive or _others_listen():
        return
    try:
        _report_waits_only()
    except (OSError, ValueError, AttributeError, AuditError) as error:
        _log.warning(
            "syncfree: a program that frees CUDA tensors while it raises an exception may fail with a SystemError under this audit, "
            "because torch %s is not laid out as expected: %s",
            torch.__version__,
            error,
        )


def _others_listen() -> bool:
    """Return whether somebody, such as torch's CUDA sanitizer, has asked for the reports that would be left out."""
    registries = [value for name, value in vars(_gpu_trace).items() if name.endswith("Callbacks")]
    return any(registry.callback_list for registry in registries if "synchronization" not in registry.name)


def _report_waits_only() -> None:
    """Give torch a copy of its interpreter object in which the reports of anything but waits call a function that does nothing."""
    slot = slots("c10/core/impl/PyInterpreter.h", "struct C10_API PyInterpreterVTable")
    reports = {name for name in slot if name.startswith(_PREFIX)}
    if not reports > {_PREFIX + name for name in _WAITS}:
        raise AttributeError(f"c10/core/impl/PyInterpreter.h declares {', '.join(sorted(reports)) or 'no report'}")
    state = ctypes.c_void_p.in_dll(ctypes.CDLL(os.path.join(ROOT, "lib", "libc10.so")), _STATE)
    methods = ctypes.c_void_p.from_address(state.value or 0).value if state.value else None
    if methods is None:
        raise AttributeError("the trace is not on")
    table = Table.from_buffer_copy(table_of(methods))
    nothing = ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p).value  # reads its first argument, and returns
    for name in reports - {_PREFIX + name for name in _WAITS}:
        table[slot[name]] = nothing
    object_with_methods = ctypes.c_void_p(ctypes.addressof(table))
    interpreter = ctypes.c_void_p(ctypes.addressof(object_with_methods))
    _keep_alive.extend([table, object_with_methods, interpreter])
    state.value = ctypes.addressof(interpreter)
