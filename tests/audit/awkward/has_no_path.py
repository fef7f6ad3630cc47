# waits: 1
import sys

sys.path[:] = [entry for entry in sys.path if "site-packages" not in entry and "plugins" not in entry]
path = list(sys.path)
import torch  # noqa: E402

torch.wait()
print(sys.path == path)
