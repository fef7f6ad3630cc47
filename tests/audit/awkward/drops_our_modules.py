# waits: 2
import sys

import torch

torch.wait()
for name in [name for name in sys.modules if name.partition(".")[0] == "syncfree"]:
    del sys.modules[name]
torch.wait()
print(any(name.startswith("syncfree") for name in sys.modules))
