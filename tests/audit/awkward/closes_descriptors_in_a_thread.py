# waits: 400
import os
import threading

import torch


def close():
    for _ in range(200):
        os.closerange(3, 64)
        descriptor = os.open("mine", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(descriptor, b"x")


thread = threading.Thread(target=close)
thread.start()
torch.wait(400)
thread.join()
print(os.path.getsize("mine"))
