"""Run a callback right after a module has executed, without importing it.

A standard-library meta-path finder: it finds a watched module through the other finders and hooks the loader's
``exec_module`` for that one execution. The callback runs before the import returns, under the module's import lock, so
no code that imports the module sees it unpatched. The finder itself only looks into a dictionary: importlib holds the global
import lock while it calls ``find_spec``, which therefore must not import or wait for anything.
"""

from __future__ import annotations

import importlib.abc
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader, SourcelessFileLoader
from types import ModuleType
from typing import Any

Callback = Callable[[ModuleType, frozenset[str]], None]
"""Called with the module and the names of the modules that were imported while it executed (they may hold copies)."""


class PostImportFinder(importlib.abc.MetaPathFinder):
    """Watches for modules by name; put it at the front of ``sys.meta_path``."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[Callback]] = {}

    def watch(self, name: str, callback: Callback) -> None:
        """Call back after the next execution of the module of this name.

        When the callback raises, the import fails with its error, and the callback is called again after the next execution.
        """
        self.waiting.setdefault(name, []).append(callback)
        if not any(finder is self for finder in sys.meta_path):  # a foreign finder's __eq__ may return True
            sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Forget everything and leave ``sys.meta_path``."""
        self.waiting.clear()
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a watched module through the finders behind this one; None for every other module."""
        if fullname not in self.waiting:
            return None
        # Only the finders behind this one: another post-import finder in front of it calls this one, which must not call back.
        finders = list(sys.meta_path)
        own = next((index for index, finder in enumerate(finders) if finder is self), -1)
        for finder in finders[own + 1 :]:
            find = getattr(finder, "find_spec", None)
            if find is not None:
                spec: ModuleSpec | None = find(fullname, path, target)
                if spec is not None:
                    if spec.loader is not None:
                        self._hook(spec)
                    return spec
        return None

    def _hook(self, spec: ModuleSpec) -> None:
        loader: Any = spec.loader
        hooked: Any = loader
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            restore()
            before = frozenset(sys.modules)
            execute(module)
            self._executed(module, spec.name, frozenset(sys.modules) - before)

        if isinstance(loader, (SourceFileLoader, SourcelessFileLoader)):
            # These are one per module: hook the instance, so that code that checks the loader's type still works.
            hooked.exec_module = exec_module

            def restore() -> None:
                loader.__dict__.pop("exec_module", None)
        else:
            spec.loader = _HookedLoader(loader, exec_module)

            def restore() -> None:
                spec.loader = loader

    def _executed(self, module: ModuleType, name: str, imported: frozenset[str]) -> None:
        called = list(self.waiting.get(name, ()))
        for callback in called:
            callback(module, imported)
        left = [callback for callback in self.waiting.get(name, ()) if callback not in called]
        if left:
            self.waiting[name] = left
        else:
            self.waiting.pop(name, None)


class _HookedLoader(importlib.abc.Loader):
    """Stands in for a loader that several modules share, such as zipimport's, until the module has executed."""

    def __init__(self, loader: Any, execute: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._execute = execute

    def __getattr__(self, name: str) -> Any:
        if name == "_loader":  # not set yet, in a copy that is being made
            raise AttributeError(name)
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        self._execute(module)
