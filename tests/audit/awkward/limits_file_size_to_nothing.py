# waits: 1
# not audited: 1
import os
import resource
import signal

import torch

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
torch.wait()
if os.fork() == 0:
    torch.wait()  # there is no place to keep it, which the report says
    os._exit(5)
print(os.wait()[1])
