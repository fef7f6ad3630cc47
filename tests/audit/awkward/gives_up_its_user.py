# waits: 2
import os

import torch

torch.wait()
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
torch.wait()
print("still there")
