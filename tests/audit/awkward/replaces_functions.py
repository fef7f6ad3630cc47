# waits: 2
import builtins
import json
import os
import time

import torch

torch.wait()


def broken(*args, **kwargs):
    raise RuntimeError("not for others")


time.time = time.perf_counter = time.time_ns = json.dumps = json.loads = os.open = os.write = os.getpid = builtins.open = (
    broken
)
torch.wait()
print("still there")
