# waits: 2
import os

import torch

os.mkdir("below")
os.chdir("below")
os.rmdir("../below")
torch.wait()
if os.fork() == 0:
    torch.wait()
    os._exit(0)
print(os.wait()[1])
