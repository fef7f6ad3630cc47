# waits: 0
# not audited: 1
import resource
import signal

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
import torch  # noqa: E402

torch.wait()
print("still there")
