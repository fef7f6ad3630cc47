# waits: 1
import os
import signal
import sys
import threading
import warnings

import torch

torch.wait()
print(sys.argv, sys.path, [type(finder).__name__ for finder in sys.meta_path], torch.__spec__.origin, torch.__loader__.name)
print([thread.name for thread in threading.enumerate()], sorted(os.listdir("/proc/self/fd")), os.getcwd(), warnings.filters)
print([signal.getsignal(number) for number in sorted(signal.valid_signals())], sys.getrecursionlimit(), sys.gettrace())
print(sys.modules["_frozen_importlib_external"]._LoaderBasics.exec_module.__qualname__)
