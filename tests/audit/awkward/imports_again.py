# waits: 2
import importlib

import torch

torch.wait()
importlib.reload(torch).wait()
print(type(torch.__spec__.loader))
