# waits: 3
import os

import torch

torch.wait()
os.closerange(3, 256)
with open("mine", "w") as file:
    torch.wait()
    file.write("nothing but this")
    file.flush()
    torch.wait()
