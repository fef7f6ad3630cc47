# waits: 1
import os

import torch

print("never written", end="")
torch.wait()
os._exit(7)
