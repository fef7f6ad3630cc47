# waits: 3
import os
import sys

import torch

torch.wait()
if len(sys.argv) == 1:
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, sys.argv[0], "again"])
torch.wait()
print(sys.argv[1:])
