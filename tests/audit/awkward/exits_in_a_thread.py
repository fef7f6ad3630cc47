# waits: 2
import sys
import threading

import torch


def work(action):
    torch.wait()
    action()


for action in (sys.exit, lambda: 1 / 0):
    thread = threading.Thread(target=work, args=(action,), name="worker")
    thread.start()
    thread.join()
print("went on")
