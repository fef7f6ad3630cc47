# waits: 1
import sys

import torch

print(sys.stdin.readline())
torch.wait()
print(len(sys.stdin.buffer.read()))
