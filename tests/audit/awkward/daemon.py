# waits: 2
# not audited: 1
# Goes on after the command has ended: until it finds the file "go". Then it makes the file "done".
import os
import time

import torch

torch.wait()
if os.fork():
    while not os.path.exists("waiting"):
        time.sleep(0.01)
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
null = os.open("/dev/null", os.O_RDWR)
for descriptor in range(3):
    os.dup2(null, descriptor)
torch.wait()
with open("waiting", "w"):
    pass
while not os.path.exists("go"):
    time.sleep(0.01)
torch.wait(10_000)
if os.fork() == 0:
    torch.wait()
    with open("grandchild", "w") as file:
        file.write("went on")
    os._exit(0)
os.wait()
os.rename("waiting", "done")
