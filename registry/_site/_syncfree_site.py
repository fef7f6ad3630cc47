"""Run by ``syncfree.pth`` at interpreter start: the way into frameworks that load no plugins in their worker processes.

It only puts a finder on ``sys.meta_path`` that notices the first import of such a framework and then loads its hooks.
Kept free of imports, because every Python process of the environment pays for it. ``SYNCFREE=off`` leaves it out.

PYTEST_DONT_REWRITE: pytest rewrites the modules of every distribution that brings it a plugin, and warns, in each of its
runs, of one that Python imported before.
"""

import sys
from os import environ

FRAMEWORKS = {"diffusers": "diffusers", "sglang.multimodal_gen": "sglang"}


class FirstImport:
    """Notices the first import of each framework; finds nothing itself."""

    def __init__(self):
        self.frameworks = dict(FRAMEWORKS)

    def find_spec(self, name, path=None, target=None):
        framework = self.frameworks.pop(name, None)
        if not self.frameworks and self in sys.meta_path:
            sys.meta_path.remove(self)
        if framework is not None:
            try:
                from syncfree._on_import import first_import
            except ImportError as error:
                print(f"syncfree: cannot be imported, so nothing of {framework} is bound: {error}", file=sys.stderr)
            else:
                first_import(framework)
        return


if environ.get("SYNCFREE", "on").strip().lower() not in ("off", "0", "false", "no"):
    sys.meta_path.insert(0, FirstImport())
