# Threads that wait until the interpreter is gone.
import threading

import torch

started = threading.Barrier(4)


def work():
    started.wait()
    while True:
        torch.wait()


for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
started.wait()
print("end")
