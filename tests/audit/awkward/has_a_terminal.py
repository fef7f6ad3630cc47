# waits: 2
import os
import pty

import torch

torch.wait()
child, terminal = pty.fork()
if child == 0:
    torch.wait()
    print(os.isatty(0), os.isatty(1), os.getsid(0) == os.getpid(), os.tcgetpgrp(0) == os.getpgrp())
    raise SystemExit(4)
text = b""
try:
    while piece := os.read(terminal, 1000):
        text += piece
except OSError:
    pass  # the end of a terminal
print(text, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
