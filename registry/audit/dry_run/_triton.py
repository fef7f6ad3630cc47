"""Values of Triton kernels: after a launch, Triton's own interpreter runs the kernel on the host, over the device's memory.

Triton compiles and launches as it would on a GPU, which is counted; the launch does nothing.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from torch.utils._python_dispatch import _disable_current_modes, _get_current_dispatch_mode_stack
from torch.utils._pytree import tree_map


class _Interpreting(threading.local):
    on: bool = False


_interpreting = _Interpreting()
_interpreted: dict[Any, Any] = {}
_connected = False


def connect(mode: type, compute: Callable[[Any, str, Callable[[], None]], None], on_host: Callable[[Any], Any]) -> None:
    """Compute every kernel that is launched where a mode is on; does nothing where Triton is not installed.

    Args:
        mode: the class of the mode.
        compute: called with the mode, the kernel's name and a function that runs the kernel on the host.
        on_host: returns what stands for an argument on the host.
    """
    global _connected
    if _connected or importlib.util.find_spec("triton") is None:
        return
    _connected = True
    from triton.runtime.jit import JITFunction

    launch, call = JITFunction.run, JITFunction.__call__

    def run(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        result = launch(self, *args, grid=grid, warmup=warmup, **kwargs)
        modes = [one for one in _get_current_dispatch_mode_stack() if isinstance(one, mode)]
        if modes and not warmup:
            with _disable_current_modes():
                compute(modes[-1], self.fn.__name__, lambda: _interpret(self, grid, tree_map(on_host, (args, kwargs))))
        return result

    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _function(self).rewrite()(*args, **kwargs) if _interpreting.on else call(self, *args, **kwargs)

    JITFunction.run, JITFunction.__call__ = run, called


def _interpret(kernel: Any, grid: Any, operands: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
    args, kwargs = operands
    names = inspect.signature(kernel.fn).parameters
    known = {name: value for name, value in kwargs.items() if name in names}
    if callable(grid):
        grid = grid(inspect.getcallargs(kernel.fn, *args, **known))
    _interpreting.on = True
    try:
        with _patched_language():
            _function(kernel).run(*args, grid=tuple(grid), warmup=False, **known)
    finally:
        _interpreting.on = False


@contextmanager
def _patched_language() -> Iterator[None]:
    """Put the interpreter's language in the place of Triton's, in every module that functions see it in.

    Triton's own way patches it again at each call of a function, which costs more than the function, and leaves it patched, so
    that no kernel could be compiled any more.
    """
    from triton import language
    from triton.language.extra import cuda
    from triton.runtime.interpreter import _patch_lang

    scope = _patch_lang(SimpleNamespace(__globals__={"tl": language, "core": language.core}))
    for name in ("gdc_wait", "gdc_launch_dependents"):  # how a kernel starts before the last one ends: here none does
        if hasattr(cuda, name):
            scope.set_attr(cuda, name, lambda: None)
    try:
        yield
    finally:
        scope.restore()


def _function(kernel: Any) -> Any:
    from triton.runtime.interpreter import ASTTransformer, InterpretedFunction

    class Transformer(ASTTransformer):  # type: ignore[misc]
        """Make the variable of a loop a tensor, as the compiler does; the interpreter leaves it a number, which has no ``.to()``."""

        def visit_For(self, node: ast.For) -> ast.For:  # noqa: N802 - the name of ast.NodeVisitor
            self.generic_visit(node)
            name = ast.unparse(node.target)
            if ast.unparse(node.iter).partition("(")[0] in ("range", "tl.range"):
                node.body[:0] = ast.parse(f"{name} = interpreter_semantic.to_tensor({name}, False)").body
            return node

    if kernel.fn not in _interpreted:  # not the kernel: its hash reads the language, which may be patched now
        function = _interpreted[kernel.fn] = InterpretedFunction(kernel.fn)
        function.rewriter.ast_transformer = Transformer()
    return _interpreted[kernel.fn]
