# waits: 2
import os

import torch

os.umask(0o777)
if os.fork() == 0:
    torch.wait(2)
    os._exit(0)
print(os.wait()[1])
os.close(os.open("mine", os.O_CREAT | os.O_WRONLY))
