# Waits in a signal handler that interrupts a wait, at any of its instructions.
import signal

import torch

times = 0


def handler(number, frame):
    global times
    times += 1
    torch.wait()


signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.0017)
while times < 200:
    torch.wait()
signal.setitimer(signal.ITIMER_REAL, 0)
print("done")
