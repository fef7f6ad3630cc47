# waits: 1
import os

before = sorted(os.listdir("/proc/self/fd"))
import torch  # noqa: E402

torch.wait()
print(before == sorted(os.listdir("/proc/self/fd")), before, os.dup(0))
