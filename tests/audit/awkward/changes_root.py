# waits: 2
import os

import torch

torch.wait()
try:
    os.chroot(".")
except PermissionError as error:
    print(error)
torch.wait()
print(os.getcwd() == "/", os.path.exists("/proc"))
