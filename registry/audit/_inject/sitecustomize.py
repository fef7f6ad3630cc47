"""Begin the audit in every Python process of ``syncfree audit -- COMMAND``, right after torch has been imported.

Python imports the first ``sitecustomize`` on its path; this one then runs the next, which it hides.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable
from typing import Any

_begun: list[bool] = []


class _Waiting:
    """Watches import statements until torch is there; then begins the audit and is gone.

    Not a post-import hook: that would run while torch's import lock is held, which autograd's threads need.
    """

    def __init__(self) -> None:
        self._import = builtins.__import__
        self._import_module = importlib.import_module
        builtins.__import__ = self._after(self._import)
        importlib.import_module = self._after(self._import_module)

    def _after(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def import_and_look(*args: Any, **kwargs: Any) -> Any:
            module = function(*args, **kwargs)
            torch = sys.modules.get("torch")
            if torch is not None and not getattr(torch.__spec__, "_initializing", False):
                builtins.__import__, importlib.import_module = self._import, self._import_module
                _begin()
            return module

        return import_and_look


def _begin() -> None:
    if _begun:  # another import statement was under way
        return
    _begun.append(True)
    try:
        from syncfree.audit import _process
    except ImportError as error:
        sys.exit(f"syncfree audit: {sys.executable} uses torch but cannot import syncfree.audit ({error}); install it there")
    _process.begin()


def _run_hidden_sitecustomize() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


_run_hidden_sitecustomize()
_Waiting()
