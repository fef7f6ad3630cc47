# not audited: 1
import os
import time

if os.fork():
    while not os.path.exists("waiting"):
        time.sleep(0.01)
    os._exit(0)
os.setsid()
null = os.open("/dev/null", os.O_RDWR)
for descriptor in range(3):
    os.dup2(null, descriptor)
with open("waiting", "w"):
    pass
while not os.path.exists("go"):
    time.sleep(0.01)
import torch  # noqa: E402

torch.wait()
os.rename("waiting", "done")
