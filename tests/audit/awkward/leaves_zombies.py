# waits: 3
import os

import torch

torch.wait()
for _ in range(2):
    if os.fork() == 0:
        torch.wait()
        os._exit(0)
os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
print("not waited for")
