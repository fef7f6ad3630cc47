# waits: 1
import os
import subprocess
import sys
import time

import torch

torch.wait()
children = {subprocess.Popen([sys.executable, "-c", f"import sys; sys.exit({n})"]).pid: n for n in range(3)}
while children:
    child, status = os.waitpid(-1, 0)
    print(children.pop(child) == os.waitstatus_to_exitcode(status))
try:
    os.waitpid(-1, 0)
except ChildProcessError as error:
    print(error)
time.sleep(0)
