# waits: 2
import os

import torch

torch.wait()
os.closerange(0, 256)
for name in ("zero", "one", "two", "three"):
    os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
torch.wait()
os.write(1, b"said")
os.write(3, b"kept")
