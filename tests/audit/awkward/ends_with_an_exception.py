# waits: 1
import atexit
import sys

import torch

sys.excepthook = lambda kind, error, traceback: print("hook", kind.__name__, error)
atexit.register(lambda: print("last"))
torch.wait()
raise ValueError("no")
