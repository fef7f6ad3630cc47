# Some releases of Python refuse to fork then.
import atexit
import os

import torch


@atexit.register
def last():
    if os.fork() == 0:
        torch.wait()
        os._exit(0)
    print(os.wait()[1])


torch.wait()
print("end of the program")
