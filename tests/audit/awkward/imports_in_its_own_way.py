# waits: 1
import builtins
import importlib
import sys

names = []


class Finder:
    def find_spec(self, name, path=None, target=None):
        names.append(name)


real = builtins.__import__
builtins.__import__ = lambda name, *rest, **more: names.append(name) or real(name, *rest, **more)
sys.meta_path.insert(0, Finder())
torch = importlib._bootstrap._gcd_import("torch")
print([name for name in names if name.startswith("torch")][:4], builtins.__import__.__name__)
torch.wait()
