# waits: 1
# What reaches the auditor from the program itself does not come back.
import os
import signal
import sys
import time

import torch

signal.signal(signal.SIGUSR1, lambda *rest: sys.exit("it came back"))
torch.wait()
if os.environ.get("SYNC_AUDIT_DIRECTORY"):
    os.kill(os.getppid(), signal.SIGUSR1)
time.sleep(0.3)
print("still there")
