# waits: 1
import os
import signal

import torch

torch.wait()
os.setpgid(0, 0)
if os.fork() == 0:
    signal.pause()
os.killpg(os.getpgrp(), signal.SIGTERM)
