# waits: 2000
import gc

import torch


class Holder:
    def __init__(self):
        self.me = self

    def __del__(self):
        torch.wait()


gc.set_threshold(1)
for _ in range(1000):
    Holder()
    torch.wait()
gc.collect()
