# waits: 5000
import resource
import signal

import torch  # noqa: F401

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for line in range(5000):
    exec(compile("torch.wait()", f"file of a long name {line}", "exec"))
print("still there")
