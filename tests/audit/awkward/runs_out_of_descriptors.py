# waits: 1
# not audited: 1
import os
import resource

import torch

resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    print(error)
torch.wait()
if os.fork() == 0:
    torch.wait()
    os._exit(5)
print(os.wait()[1], len(taken))
