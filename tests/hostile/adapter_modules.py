"""Sources of third-party adapters that are malformed: each says something that an `Adapter` must not say."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from .drawn import drawn

TEMPLATE = """
from syncfree.adapting import Adapter, Attachment, Binding, Form

def compose(mine, theirs):
    def progress(iterable=None, total=None):
        return mine(iterable, total, None, lambda **o: ("sync_free", o["iterable"], o["total"]), {{}})
    return progress

form = Form({releases}, {status}, "it stalls", {compose})
binding = Binding({hook}, {targets}, {forms}{more})
ADAPTER = Adapter({framework}, {package}, {distributions}, {bindings}, home={home}{rest})
"""
GOOD = {
    "releases": "'>=9.0,<10'",
    "status": "'stalls'",
    "compose": "(compose,)",
    "hook": "'progress_reporting'",
    "targets": "('gadget.work:progress',)",
    "forms": "(form,)",
    "more": "",
    "framework": "'gadget'",
    "package": "'gadget'",
    "distributions": "('gadget',)",
    "bindings": "(binding,)",
    "home": "'gadget_adapter'",
    "rest": "",
}
BAD = {
    "releases": ["'klingon'", "None", "7", "''", "'>=9,<10,banana'", "b'>=9'"],
    "status": ["'maybe'", "None", "3"],
    "compose": ["()", "(compose, compose)", "compose", "('compose',)", "(None,)", "7", "[compose]"],
    "hook": ["'progres_reporting'", "None", "7", "''", "('progress_reporting',)"],
    "targets": [
        "'gadget.work:progress'",
        "('gadget.work.progress',)",
        "('gadget.work:',)",
        "(None,)",
        "()",
        "('other.work:progress',)",
        "('.work:progress',)",
        "(':progress',)",
        "('gadget.work:progress', 'gadget.work:progress')",
        "('gadget.work:a b',)",
        "('diffusers.work:progress',)",
        "('gadget..work:progress',)",
    ],
    "forms": ["()", "(None,)", "form", "None", "('form',)", "(form, form)"],
    "framework": ["None", "''", "7", "'diffusers'", "'bad name!'", "'[red]'"],
    "package": [
        "None",
        "''",
        "'gadget.inner'",
        "'.gadget'",
        "'..'",
        "7",
        "'no-such-package'",
        "'sys'",
        "'gad get'",
        "b'gadget'",
    ],
    "distributions": ["()", "None", "'gadget'", "(None,)", "('',)", "('../x',)", "('[',)"],
    "bindings": ["()", "None", "(None,)", "binding", "('binding',)", "(binding, binding)", "7"],
    "home": [
        "None",
        "'no_such_home'",
        "''",
        "'.'",
        "'sys'",
        "7",
        "'gadget_adapter.missing'",
        "'hostile_adapter'",
        "'raising_home'",
    ],
    "rest": [
        ", attachments=None",
        ", attachments=(None,)",
        ", logger=None",
        ", logger=7",
        ", loads_plugins_since='banana'",
        ", attachments=(Attachment('nowhere', None, 'nothing'),)",
        ", loads_plugins_since=3",
        ", surprise=1",
    ],
    "more": [", depends=None", ", depends=('x',)", ", note=None", ", compiled='yes'", ", depends='gadget.work:progress'"],
}
OBJECTS = {
    "None": "ADAPTER = None",
    "a number": "ADAPTER = 7",
    "a class": "from syncfree.adapting import Adapter as ADAPTER",
    "a function": "def ADAPTER(): raise SystemExit",
    "nothing of that name": "",
    "raises": "raise ValueError('no')",
    "exits": "import sys; sys.exit('no adapter today')",
    "ends": "raise BaseException",
    "broken str": "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
    "a mock": "from unittest.mock import MagicMock\nADAPTER = MagicMock()",
    "a mock with a spec": "from unittest.mock import MagicMock\nfrom syncfree.adapting import Adapter\nADAPTER = MagicMock(spec=Adapter)",
    "a subclass that raises": (
        "from syncfree.adapting import Adapter\nclass A(Adapter):\n    @property\n    def bindings(self): raise ValueError('no')\n"
        "ADAPTER = object.__new__(A)"
    ),
    "fields not set": "from syncfree.adapting import Adapter\nADAPTER = object.__new__(Adapter)",
    "syntax error": "def (:",
    "null byte": "x = 1\0",
    "imports the framework": "import diffusers\nADAPTER = None",
    "plans": "import syncfree\nsyncfree.plan()\nADAPTER = None",
}


@dataclass(frozen=True, slots=True)
class Malformed:
    """An adapter's module."""

    name: str
    source: str


def malformed() -> list[Malformed]:
    """Adapters with one field wrong, with two fields wrong, and objects that are none."""
    fields = [(field, value) for field, values in BAD.items() for value in values]
    one = [_made((pair,)) for pair in fields]
    pairs = st.tuples(st.sampled_from(fields), st.sampled_from(fields)).filter(lambda two: two[0][0] < two[1][0])
    return [*one, *map(_made, drawn(pairs, 15)), *(Malformed(name, source) for name, source in OBJECTS.items())]


def _made(wrong: tuple[tuple[str, str], ...]) -> Malformed:
    name = ", ".join(f"{field}={value}" for field, value in wrong)
    return Malformed(name, TEMPLATE.format(**{**GOOD, **dict(wrong)}))


ADAPTERS = malformed()
