# waits: 2
import os

import torch

torch.wait()
mine = os.open("mine", os.O_WRONLY | os.O_CREAT, 0o644)
for descriptor in range(3, 64):
    if descriptor != mine:
        os.dup2(mine, descriptor)
torch.wait()
os.write(mine, b"nothing but this")
