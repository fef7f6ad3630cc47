"""Plugins of others that fail in every way a module can: each is left out with one line, and the others load."""

from __future__ import annotations

import importlib
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncfree import PluginError
from syncfree.hooks import HOOKS

from .neighbours import GOOD, Neighbours, discovered, left_out

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
