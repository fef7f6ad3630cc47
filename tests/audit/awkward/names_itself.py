# waits: 2
import ctypes
import os

import torch

libc = ctypes.CDLL(None)
libc.prctl(15, b"a (b) c d")
if os.fork() == 0:
    torch.wait()
    os._exit(0)
os.wait()
torch.wait()
with open("/proc/self/comm") as file:
    print(file.read())
