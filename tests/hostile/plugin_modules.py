"""Sources of plugin modules that are broken in some way, drawn from what can go wrong at each place of a module."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from hypothesis import strategies as st

from .drawn import drawn
from .snippets import snippets

HEAD = "from syncfree import hookimpl\n"
PARAMETERS = ("local", "rank", "size", "group", "device")
GOOD = """
@hookimpl(exact=True)
def dp_all_reduce(local, rank, size, group, device):
    return ("hostile", local, rank)
"""


@dataclass(frozen=True, slots=True)
class Module:
    """A plugin module; `expected` is ``left out``, ``taken in``, or ``either`` where both are right."""

    name: str
    source: str | bytes
    expected: str = "left out"


RAISES = snippets("raises")
PLACES = snippets("places_of_a_plugin")


def raising() -> list[Module]:
    """Modules that raise something somewhere."""
    pairs = st.tuples(st.sampled_from(sorted(PLACES)), st.sampled_from(sorted(RAISES)))
    return [_raising(place, what) for place, what in drawn(pairs, 70)]


def _raising(place: str, what: str) -> Module:
    code = RAISES[what]
    parts = {"indented": textwrap.indent(code, "    "), "twice": textwrap.indent(code, "        ")}
    source = PLACES[place].format(raising=code, head=HEAD, good=GOOD, **parts)
    # pluggy asks for no name that the module lacks, but it may: both are right.
    return Module(f"{what}, {place}", source, "either" if place == "in __getattr__ of the module" else "left out")


def _wrong_parameters() -> st.SearchStrategy[str]:
    renamed = st.tuples(st.integers(0, 4), st.sampled_from(["x", "locals_", "Rank"])).map(
        lambda pair: ", ".join(pair[1] if i == pair[0] else name for i, name in enumerate(PARAMETERS))
    )
    fewer = st.integers(0, 4).map(lambda n: ", ".join(PARAMETERS[:n]))
    more = st.sampled_from(["more", "*more", "**more", "*, more", "*, more=1"]).map(
        lambda m: f"{', '.join(PARAMETERS)}, {m}"
    )
    starred = st.sampled_from(
        ["*args", "**kwargs", "*args, **kwargs", "local, *rest", "*, local, rank, size, group, device"]
    )
    order = st.permutations(PARAMETERS).filter(lambda p: tuple(p) != PARAMETERS).map(", ".join)
    return st.one_of(renamed, fewer, more, starred, order)


def signatures() -> list[Module]:
    """Modules whose function has not the contract's parameters."""
    return [
        Module(f"({parameters})", f"{HEAD}\n@hookimpl\ndef dp_all_reduce({parameters}):\n    return ('hostile',)\n")
        for parameters in drawn(_wrong_parameters(), 20)
    ]


def module(name: str, body: str, expected: str = "left out") -> Module:
    """A module that is written out."""
    return Module(name, HEAD + textwrap.dedent(body), expected)


SHAPES = [
    module("generator", "@hookimpl\ndef dp_all_reduce(local, rank, size, group, device):\n    yield 1"),
    module("coroutine", "@hookimpl\nasync def dp_all_reduce(local, rank, size, group, device):\n    return 1"),
    module("async generator", "@hookimpl\nasync def dp_all_reduce(local, rank, size, group, device):\n    yield 1"),
    module(
        "hookwrapper",
        """
        import pluggy
        @pluggy.HookimplMarker("syncfree")(hookwrapper=True)
        def dp_all_reduce(local, rank, size, group, device):
            yield
        """,
    ),
    module(
        "new-style wrapper",
        """
        import pluggy
        @pluggy.HookimplMarker("syncfree")(wrapper=True)
        def dp_all_reduce(local, rank, size, group, device):
            return (yield)
        """,
    ),
    module(
        "two functions for one hook",
        f"{GOOD}\n@hookimpl(specname='dp_all_reduce')\ndef second(local, rank, size, group, device):\n    return ('hostile',)",
    ),
    module("unknown hook", "@hookimpl\ndef dp_al_reduce(local, rank, size, group, device):\n    return 1"),
    module("unknown specname", "@hookimpl(specname='nothing')\ndef f(local, rank, size, group, device):\n    return 1"),
    module("no hook", "value = 1"),
    module("unmarked", "def dp_all_reduce(local, rank, size, group, device):\n    return 1"),
    module(
        "unknown need", "@hookimpl(needs=('a unicorn',))\ndef dp_all_reduce(local, rank, size, group, device):\n    return 1"
    ),
    module("a lambda", "dp_all_reduce = hookimpl(lambda x: x)"),
    module(
        "wraps that lies",
        """
        import functools
        def good(local, rank, size, group, device): ...
        @hookimpl
        @functools.wraps(good)
        def dp_all_reduce(only_one):
            return ("hostile",)
        """,
    ),
    module("a class", "@hookimpl\nclass dp_all_reduce:\n    pass"),
    Module("empty", ""),
    Module("syntax error", HEAD + "def (:\n"),
    Module("unclosed", HEAD + GOOD + "\nx = ("),
    Module("a null byte", HEAD.encode() + b"\0" + GOOD.encode()),
    Module("not UTF-8", HEAD.encode() + b"text = '\xff\xfe'\n" + GOOD.encode()),
    Module("unknown encoding", b"# -*- coding: klingon -*-\n" + GOOD.encode()),
    Module("tabs and spaces", HEAD + "if True:\n\tx = 1\n        y = 2\n"),
    Module("binary", bytes(range(256)) * 8),
    Module("byte order mark", b"\xef\xbb\xbf" + HEAD.encode() + GOOD.encode(), "taken in"),
    module("replaced by None", "import sys\nsys.modules[__name__] = None"),
    module("replaced by a number", "import sys\nsys.modules[__name__] = 7"),
    module("answers everything", "import sys\nfrom unittest.mock import MagicMock\nsys.modules[__name__] = MagicMock()"),
    module("removes itself", f"import sys\ndel sys.modules[__name__]\n{GOOD}", "either"),
]
MANNERS = [module(name, f"{body}\n{GOOD}", "either") for name, body in snippets("manners").items()]
MODULES = [*raising(), *signatures(), *SHAPES, *MANNERS]
