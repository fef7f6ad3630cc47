"""A stand-in for PyTorch on a machine with a GPU: the parts that the auditor's CUDA back end uses, imported in milliseconds.

`wait` is what an operator that makes the host wait does: it calls the trace callbacks.
"""

import ctypes
import os

from . import _C as _C
from . import _tensor_str as _tensor_str
from . import cuda as cuda
from .cuda._gpu_trace import callbacks

__version__ = "2.13.0"


class Tensor:
    pass


def wait(times=1):
    for _ in range(times):
        for callback in callbacks:
            callback(0)


_library = os.environ.get("STANDIN_LIBRARY")  # a file named like one of torch's: what the auditor sees of torch from outside
if _library:
    ctypes.CDLL(_library)
