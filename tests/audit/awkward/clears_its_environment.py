# waits: 1
import os

os.environ.clear()
os.environ["PATH"] = "/bin"
import torch

torch.wait()
print(dict(os.environ))
