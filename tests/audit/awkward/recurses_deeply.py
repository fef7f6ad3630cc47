# waits: 40
import sys

import torch

deepest = 0


def down(depth):
    global deepest
    deepest = depth
    if depth % 20 == 0 and depth < 800:
        torch.wait()
    down(depth + 1)


sys.setrecursionlimit(1000)
try:
    down(0)
except RecursionError as error:
    print(error, deepest)
