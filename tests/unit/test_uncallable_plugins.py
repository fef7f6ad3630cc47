"""Functions and objects of plugins that a hot path cannot call are refused, and those that it can call are taken in."""

from __future__ import annotations

import textwrap

import pytest

from syncfree import PluginError

from .neighbours import Neighbours, discovered, left_out

MARKED = "import syncfree, pluggy, functools\nfrom syncfree import hookimpl\nmark = pluggy.HookimplMarker('syncfree')\n"
FUNCTIONS = {
    "generator": ("@hookimpl\ndef postprocess(decoded): yield decoded", "postprocess is a generator function"),
    "coroutine": ("@hookimpl\nasync def postprocess(decoded): return decoded", "postprocess is a coroutine function"),
    "asynchronous generator": ("@hookimpl\nasync def postprocess(decoded): yield", "is an asynchronous generator function"),
    "old wrapper": ("@mark(hookwrapper=True)\ndef postprocess(decoded): yield", "marked with hookwrapper"),
    "wrapper": ("@mark(wrapper=True)\ndef postprocess(decoded): return (yield)", "marked with wrapper"),
    "wrapper in our marker": (
        "@hookimpl(wrapper=True)\ndef postprocess(decoded): yield",
        "TypeError: hookimpl() got an unexpected",
    ),
    "first": ("@mark(tryfirst=True)\ndef postprocess(decoded): return decoded", "marked with tryfirst"),
    "last": ("@mark(trylast=True)\ndef postprocess(decoded): return decoded", "marked with trylast"),
    "optional": ("@mark(optionalhook=True)\ndef postprocess(decoded): return decoded", "marked with optionalhook"),
    "class": ("@mark\nclass postprocess:\n  def __init__(self, decoded): pass", "postprocess is a class, not a function"),
    "class in our marker": ("@hookimpl\nclass postprocess: pass", "ValueError: hookimpl marks functions"),
    "partial": ("postprocess = mark(functools.partial(lambda decoded: decoded))", "is a partial, not a function"),
    "two": (
        "@hookimpl\ndef postprocess(decoded): pass\n@hookimpl(specname='postprocess')\ndef other(decoded): pass",
        "two functions are marked for postprocess",
    ),
    "unknown hook": ("@hookimpl(specname='postproces')\ndef f(decoded): return decoded", "did you mean 'postprocess'?"),
    "hook that is no text": ("@mark(specname=7)\ndef f(decoded): return decoded", "unknown hook 7"),
    "optional unknown hook": ("@mark(optionalhook=True)\ndef postproces(decoded): return decoded", "unknown hook"),
    "too many": ("@hookimpl\ndef postprocess(decoded, scale): return decoded", "{'scale'} are declared in the hookimpl"),
    "too few": ("@hookimpl\ndef postprocess(): return 7", "is not the contract postprocess(decoded)"),
    "wrapped": (
        "@hookimpl\n@functools.wraps(lambda decoded: decoded)\ndef postprocess(): return 7",
        "postprocess does not take a call of its contract postprocess(decoded): takes 0 positional arguments but 1 was given",
    ),
    "wrapped within": (
        """
        def passes_on(f): return functools.wraps(f)(lambda *args, **kwargs: f(*args, **kwargs))
        @hookimpl
        @passes_on
        @functools.wraps(lambda decoded: decoded)
        def postprocess(): return 7
        """,
        "does not take a call of its contract",
    ),
    "signature of another": (
        "import inspect\n@hookimpl\ndef postprocess(): pass\npostprocess.__signature__ = inspect.signature(lambda decoded: 7)",
        "does not take a call of its contract",
    ),
    "signature exits": (
        "@hookimpl\ndef postprocess(decoded): return decoded\npostprocess.__signature__ = 7",
        "TypeError: unexpected object 7",
    ),
    "default that cannot be shown": (
        "class Odd:\n  def __repr__(self): raise SystemExit(3)\n@hookimpl\ndef postprocess(decoded, more=Odd()): return decoded",
        "SystemExit: 3",
    ),
    "needs": ("@hookimpl(needs=('gpu',))\ndef postprocess(decoded): return decoded", "unknown needs ['gpu']"),
    "needs as a text": (
        "@hookimpl(needs='torch')\ndef postprocess(decoded): return decoded",
        "needs is 'torch', not a tuple",
    ),
    "exact": ("@hookimpl(exact='yes')\ndef postprocess(decoded): return decoded", "exact is 'yes', neither True nor False"),
    "syncs": ("@hookimpl(host_syncs=-1)\ndef postprocess(decoded): return decoded", "host_syncs is -1"),
    "implementation": ("@hookimpl(implementation='acme')\ndef postprocess(decoded): pass", "not 'package.module:function'"),
    "implementation is a function": (
        "@hookimpl(implementation=len)\ndef postprocess(decoded): pass",
        "implementation is <built-in",
    ),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_what_a_hot_path_cannot_call_is_refused(neighbours: Neighbours, case: str) -> None:
    source, reason = FUNCTIONS[case]
    neighbours.plugin(MARKED + textwrap.dedent(source))
    assert reason in left_out(neighbours).reason


@pytest.mark.parametrize(
    "source",
    [
        "@hookimpl\n@functools.wraps(lambda decoded: decoded)\ndef postprocess(*args, **kwargs): return args[0]",
        "@mark\ndef postprocess(decoded): return decoded",
        "@hookimpl(specname='postprocess')\ndef f(decoded): return decoded",
        "class P:\n  @hookimpl\n  @staticmethod\n  def postprocess(decoded): return decoded\nimport sys\nsys.modules[__name__] = P()",
        "class P:\n  @classmethod\n  @hookimpl\n  def postprocess(cls, decoded): return decoded\nimport sys\nsys.modules[__name__] = P",
        "class P:\n  @hookimpl\n  def postprocess(self, decoded): return decoded\nimport sys\nsys.modules[__name__] = P()",
    ],
    ids=["wrapped", "pluggy", "specname", "static method", "class method", "method"],
)
def test_what_a_hot_path_can_call_is_taken_in(neighbours: Neighbours, source: str) -> None:
    neighbours.plugin(MARKED + source)
    plugins = discovered()
    assert plugins.broken == []
    (found,) = [found for found in plugins.candidates("postprocess") if found.plugin == "acme"]
    assert found.function()("tensor") == "tensor"


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("def f(decoded): yield", "a generator function"),
        ("async def f(decoded): pass", "a coroutine function"),
        ("class f:\n  def __init__(self, decoded): pass", "a class"),
        ("class F:\n  async def __call__(self, decoded): pass\nf = F()", "a coroutine function"),
        ("import functools\nasync def g(decoded): pass\nf = functools.partial(g)", "a coroutine function"),
        ("f = 7", "cannot be inspected|has no signature"),
        (
            "class F:\n  __signature__ = property(lambda self: exit(3))\n  def __call__(self, decoded): pass\nf = F()",
            "SystemExit",
        ),
    ],
)
def test_an_implementation_that_a_hot_path_cannot_call_is_refused(neighbours: Neighbours, source: str, kind: str) -> None:
    neighbours.plugin(
        "import syncfree\n@syncfree.hookimpl(implementation='made_up_lazy:f')\ndef postprocess(decoded): pass\n"
    )
    neighbours.module("made_up_lazy", source)
    (found,) = [found for found in discovered().candidates("postprocess") if found.plugin == "acme"]
    with pytest.raises(PluginError, match=f"^plugin 'acme' of acme 1.0.*({kind})"):
        found.function()
