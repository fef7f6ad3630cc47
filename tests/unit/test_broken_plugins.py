"""Plugins of others that fail in every way a module can: each is left out with one line, and the others load."""

from __future__ import annotations

import importlib
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncfree import PluginError
from syncfree._plugins import BrokenPlugin, Plugins
from syncfree.hooks import HOOKS

from .neighbours import GOOD, Neighbours


@pytest.fixture
def neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Neighbours:
    """A folder in front of all others, with one plugin that nothing is wrong with."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Neighbours(tmp_path)
    made.plugin(GOOD, "good")
    return made


def discovered() -> Plugins:
    plugins = Plugins(HOOKS)
    plugins.discover()
    return plugins


def left_out(neighbours: Neighbours) -> BrokenPlugin:
    """The one plugin that is left out, in one printable line, while the good one and ours are there."""
    plugins = discovered()
    assert {"sync_free", "good"} <= {found.plugin for found in plugins.candidates("postprocess")}
    (broken,) = plugins.broken
    assert str(broken).isprintable()
    assert len(str(broken)) < 2500
    return broken


RAISED = {
    "exit": ("import sys; sys.exit('no licence')", "SystemExit: no licence"),
    "exit with a status": ("raise SystemExit(3)", "SystemExit: 3"),
    "exit without": ("raise SystemExit", "SystemExit"),
    "generator exit": ("raise GeneratorExit", "GeneratorExit"),
    "base exception": ("class Odd(BaseException): pass\nraise Odd('x')", "Odd: x"),
    "group": ("raise getattr(__builtins__, 'BaseExceptionGroup', Exception)('many', [SystemExit(3)])", "many"),
    "operating system": ("raise OSError('libacme.so is missing')", "OSError: libacme.so is missing"),
    "lines": ("raise RuntimeError('one\\ntwo\\r\\n\\tthree')", "RuntimeError: one two three"),
    "escapes": ("raise RuntimeError('\\x1b[31mred\\x1b[0m\\x07\\u202e')", r"RuntimeError: \x1b[31mred\x1b[0m\x07\u202e"),
    "surrogate": ("raise RuntimeError('\\udc80')", r"RuntimeError: \udc80"),
    "megabyte": ("raise RuntimeError('x' * 2**20)", "(1047576 characters more)"),
    "str raises": (
        "class Odd(Exception):\n  def __str__(self): raise ValueError\nraise Odd",
        "Odd: (its text cannot be shown)",
    ),
    "str exits": (
        "class Odd(Exception):\n  def __str__(self): raise SystemExit\nraise Odd",
        "Odd: (its text cannot be shown)",
    ),
    "str is no text": ("class Odd(Exception):\n  def __str__(self): return 7\nraise Odd", "Odd: (its text cannot be shown)"),
    "str recurses": ("class Odd(Exception):\n  def __str__(self): return str(self)\nraise Odd", "Odd: (its text cannot be"),
    "str is a subclass": (
        """
        class Text(str):
            def __getitem__(self, at): raise SystemExit
            __len__ = split = __iter__ = __getitem__
        class Odd(Exception):
            def __str__(self): return Text('shown')
        raise Odd
        """,
        "Odd: shown",
    ),
    "repr of an argument": (
        "class Odd:\n  def __repr__(self): raise SystemExit\nraise RuntimeError(Odd())",
        "RuntimeError: (its text cannot be shown)",
    ),
    "class": ("class Odd(Exception):\n  __class__ = property(lambda self: 1 / 0)\nraise Odd('x')", "Odd"),
    "name": ("raise type('a\\nb\\x1b', (Exception,), {})('x')", r"a b\x1b: x"),
    "cause of itself": ("e = RuntimeError('x')\ne.__cause__ = e\nraise e", "RuntimeError: x"),
    "recursion": ("def f(): f()\nf()", "RecursionError: maximum recursion depth"),
    "memory": ("raise MemoryError", "MemoryError"),
    "syntax": ("def broken(:\n", "made_up_acme.py:1)"),
    "truncated": (GOOD[:60], "made_up_acme.py"),
    "nul": ("\0", "source code string cannot contain null bytes"),
    "not utf-8": (b"x = '\xff'\n", "made_up_acme"),
    "missing": ("import acme_native_library", "No module named 'acme_native_library'"),
    "missing of a package": ("import json.acme", "json/__init__.py)"),
    "removed": ("import sys; del sys.modules[__name__]", "KeyError: 'made_up_acme'"),
    "stop iteration": ("raise StopIteration(1)", "StopIteration: 1"),
    "path": ("import sys\nsys.path.clear()", "it empties sys.path, which was undone"),
    "path replaced": ("import sys\nsys.path = None", "it replaces sys.path, which was undone"),
    "no hooks": ("", "implements no hook"),
    "not a module": ("import sys; sys.modules[__name__] = 7", "implements no hook"),
}


@pytest.mark.parametrize("case", RAISED)
def test_a_plugin_that_fails_when_it_is_imported_is_left_out(neighbours: Neighbours, case: str) -> None:
    source, reason = RAISED[case]
    neighbours.plugin(source)
    path = list(sys.path)
    broken = left_out(neighbours)
    assert (broken.name, broken.distribution) == ("acme", "acme 1.0")
    assert reason in broken.reason
    assert sys.path == path


OBJECTS = {
    "attribute exits": (
        "class P:\n  x = property(lambda self: exit(3))\nPLUGIN = P()",
        "attribute 'x' cannot be read: SystemExit: 3",
    ),
    "module attribute": (
        "import types\nclass P(types.ModuleType):\n  def __getattribute__(self, name): raise SystemExit(name)\nPLUGIN = P('p')",
        "its attributes cannot be listed: SystemExit",
    ),
    "dir raises": ("class P:\n  def __dir__(self): raise BaseException('no')\nPLUGIN = P()", "BaseException: no"),
    "dir is odd": ("class P:\n  def __dir__(self): return [7, None, 'x']\nPLUGIN = P()", "its attributes cannot be listed"),
    "equality": ("class P:\n  def __eq__(self, other): raise SystemExit\nPLUGIN = P()", "implements no hook"),
    "no such object": ("", "has no attribute 'PLUGIN'"),
    "none": ("PLUGIN = None", "implements no hook"),
    "class of routine": (
        "class P:\n  class f:\n    __class__ = property(lambda self: 1 / 0)\n  f = f()\nPLUGIN = P()",
        "attribute 'f' cannot be read: ZeroDivisionError",
    ),
}


@pytest.mark.parametrize("case", OBJECTS)
def test_an_object_that_cannot_be_looked_at_is_left_out(neighbours: Neighbours, case: str) -> None:
    source, reason = OBJECTS[case]
    neighbours.plugin(source, value="made_up_acme:PLUGIN")
    assert reason in left_out(neighbours).reason


def test_a_plugin_that_compares_equal_to_all_others_keeps_none_of_them_out(neighbours: Neighbours) -> None:
    equal = """
    class Plugin:
        def __eq__(self, other):
            return True

        @staticmethod
        @syncfree.hookimpl
        def postprocess(decoded):
            return decoded

    PLUGIN = Plugin()
    """
    neighbours.plugin("import syncfree\n" + textwrap.dedent(equal), value="made_up_acme:PLUGIN")
    plugins = discovered()
    assert plugins.broken == []
    assert {"acme", "good"} <= {found.plugin for found in plugins.candidates("postprocess")}


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


def test_an_entry_of_the_path_that_a_plugin_takes_is_put_back(neighbours: Neighbours) -> None:
    neighbours.plugin(f"import sys\nsys.path.remove({str(neighbours.folder)!r})\n{GOOD}")
    path = list(sys.path)
    plugins = discovered()
    assert plugins.broken == []
    assert {"acme", "good"} <= {found.plugin for found in plugins.candidates("postprocess")}
    assert sys.path == path


def test_two_threads_discover_the_same(neighbours: Neighbours) -> None:
    """The second waits until the first has imported a module; neither sees half of it."""
    neighbours.plugin(f"import made_up_meeting\nmade_up_meeting.importing.set()\nmade_up_meeting.go_on.wait(60)\n{GOOD}")
    neighbours.module("made_up_meeting", "import threading\nimporting, go_on = threading.Event(), threading.Event()\n")
    meeting = importlib.import_module("made_up_meeting")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(discovered)
        assert meeting.importing.wait(60)
        second = pool.submit(discovered)
        meeting.go_on.set()
        found = [first.result(60), second.result(60)]
    assert [plugins.broken for plugins in found] == [[], []]
    assert [sorted(plugins.distributions) for plugins in found] == [sorted(found[0].distributions)] * 2
    assert "acme" in found[1].distributions


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no module", "'no module' is not 'package.module:object'"),
        ("", "'' is not 'package.module:object'"),
        (".made_up", "TypeError: the 'package' argument is required"),
        ("made_up_acme:", "'made_up_acme:' is not"),
        ("made_up_acme:f.g", "has no attribute 'f'"),
        ("os.path:join.x\x1b", r"'os.path:join.x\x1b' is not"),
    ],
)
def test_an_entry_point_that_names_nothing_is_left_out(neighbours: Neighbours, value: str, reason: str) -> None:
    neighbours.plugin("", value=value)
    assert reason in left_out(neighbours).reason


@pytest.mark.parametrize("name", ["two words", "upstream", "1st", "", "\x1b[2J"])
def test_a_name_that_cannot_be_chosen_is_left_out_before_anything_is_imported(neighbours: Neighbours, name: str) -> None:
    neighbours.module("made_up_acme", "raise SystemExit(3)")
    neighbours.distribution(f"[syncfree]\n{name} = made_up_acme\n")
    assert "cannot be a plugin's name" in left_out(neighbours).reason
    assert "made_up_acme" not in sys.modules


@pytest.mark.parametrize(
    "source",
    [
        "from made_up_framework import Later",
        "import made_up_framework\nmade_up_framework.Later",
        "try:\n  from made_up_framework import Later\nexcept ImportError as error: raise RuntimeError('no framework') from error",
        "try:\n  from made_up_framework import Later\nexcept ImportError as error: raise SystemExit(3)",
    ],
    ids=["from", "attribute", "chained", "exit"],
)
def test_a_plugin_that_imports_the_framework_that_is_being_imported_is_given_the_next_step(
    neighbours: Neighbours, source: str
) -> None:
    neighbours.plugin(source)
    neighbours.module(
        "made_up_framework",
        """
        from syncfree._plugins import Plugins
        from syncfree.hooks import HOOKS
        plugins = Plugins(HOOKS)
        plugins.discover()
        class Later: pass
        """,
    )
    (broken,) = importlib.import_module("made_up_framework").plugins.broken
    assert "made_up_framework is still being imported: name the function with hookimpl(implem" in broken.reason


def test_a_plugin_that_asks_for_the_plugins_while_it_is_imported_is_left_out(neighbours: Neighbours) -> None:
    neighbours.plugin(
        GOOD
        + textwrap.dedent("""
        from syncfree._plugins import Plugins
        from syncfree.hooks import HOOKS
        inner = Plugins(HOOKS)
        inner.discover()
        """)
    )
    outer = discovered()
    assert outer.broken == []
    (broken,) = sys.modules["made_up_acme"].inner.broken
    assert "it makes syncfree load plugins while it is being imported itself" in broken.reason


@pytest.mark.parametrize("source", [source for source, _ in RAISED.values()], ids=RAISED)
def test_an_implementation_that_cannot_be_imported_is_told_with_whose_it_is(
    neighbours: Neighbours, source: str | bytes
) -> None:
    """It is imported when it is chosen; whatever that raises is the plugin's error."""
    neighbours.plugin(
        "import syncfree\n@syncfree.hookimpl(implementation='made_up_lazy:f')\ndef postprocess(decoded): pass\n"
    )
    neighbours.module("made_up_lazy", source)
    plugins = discovered()
    (found,) = [found for found in plugins.candidates("postprocess") if found.plugin == "acme"]
    path = list(sys.path)
    with pytest.raises(PluginError, match=r"^plugin 'acme' of acme 1\.0") as caught:
        found.function()
    assert str(caught.value).isprintable()
    assert sys.path == path


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


STATEMENTS = st.sampled_from(
    [
        "import syncfree",
        "from syncfree import hookimpl",
        "import pluggy; hookimpl = pluggy.HookimplMarker('syncfree')",
        "@hookimpl\ndef postprocess(decoded): return decoded",
        "@hookimpl(exact=True)\ndef qk_norm(*args): return None",
        "@hookimpl\nasync def postprocess(decoded): pass",
        "@hookimpl\nclass postprocess: pass",
        "@hookimpl(specname='postprocess')\ndef other(decoded): return decoded",
        "@hookimpl(hookwrapper=True)\ndef postprocess(decoded): yield",
        "def __getattr__(name): raise SystemExit(name)",
        "def __dir__(): raise BaseException('dir')",
        "def __dir__(): return ['postprocess', 'absent']",
        "class Odd(BaseException):\n  def __str__(self): raise SystemExit",
        "raise Odd",
        "raise SystemExit(3)",
        "import sys; sys.modules[__name__] = None",
        "import sys; sys.modules[__name__] = object()",
        "import sys; del sys.modules[__name__]",
        "import sys; sys.path.clear()",
        "postprocess.__signature__ = 7",
        "postprocess = 7",
        "import made_up_acme; made_up_acme.absent",
        "def f(): f()\nf()",
        "x = '\\x1b' * 2000; raise ValueError(x)",
        "def broken(:",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.lists(STATEMENTS, max_size=6))
def test_whatever_a_module_holds_it_is_taken_in_or_left_out_with_one_line(
    neighbours: Neighbours, statements: list[str]
) -> None:
    neighbours.plugin("\n".join(statements))
    sys.modules.pop("made_up_acme", None)
    path = list(sys.path)
    plugins = discovered()
    names = {found.plugin for hook in HOOKS for found in plugins.candidates(hook)}
    assert {"sync_free", "good"} <= names
    assert ("acme" in names) + len(plugins.broken) == 1
    assert all(str(broken).isprintable() for broken in plugins.broken)
    assert sys.path == path
