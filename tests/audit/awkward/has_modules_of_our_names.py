# waits: 1
import json

import torch

for name in ("_log", "_process", "_record", "sitecustomize_", "_inject", "syncfree_audit"):
    with open(name + ".py", "w") as file:
        file.write("raise RuntimeError(__name__)")
torch.wait()
print(json.dumps([1]))
