# waits: 2
import threading

import torch

from syncfree.audit import allow, step

threading.current_thread().name = "a\udcffb\nc\0"
step("\udcff\n\0")
torch.wait()
step(3)
exec(compile("torch.wait()", "\udcff", "exec"))
with allow("\udc80"):
    torch.wait()
