# Something else of that name.
import sys

with open("torch.py", "w") as file:
    file.write("import sys\nsomething = 'else'\n")
sys.path.insert(0, ".")
for name in [name for name in sys.modules if name.partition(".")[0] == "torch"]:
    del sys.modules[name]
import torch  # noqa: E402

print(torch.something)
