"""Configuration files and environments that a user could write, with what a person expects of each.

What is expected is worked out by the rules of the documentation (``docs/choosing.md``), not asked of the code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import strategies as st

from .drawn import drawn

HOOKS = ("progress_reporting", "dp_all_reduce", "postprocess")
PLUGINS = ("acme", "other")
DEFAULTS = {"progress_reporting": "sync_free", "dp_all_reduce": "acme", "postprocess": "acme"}
WRONG = ("acm", "ACME", "nonsense", "acme ", "../acme", "[red]acme", "acme;other", "\u00e4cme")


@dataclass(frozen=True, slots=True)
class Settings:
    """One user's settings.

    Attributes:
        environment: variables.
        file: the configuration file's content; None: there is none.
        wrong: words of which the message must name at least one; empty when nothing is wrong.
        choices: what is in force then, by hook; None: everything is switched off.
    """

    environment: tuple[tuple[str, str], ...]
    file: bytes | None
    wrong: tuple[str, ...]
    choices: tuple[tuple[str, str], ...] | None

    @property
    def name(self) -> str:
        """A name of a test."""
        shown = ", ".join(f"{name}={value[:30]}" for name, value in self.environment)
        return f"{shown or 'no variables'}; {'no file' if self.file is None else repr(self.file[:60])}"


Choice = st.sampled_from((*PLUGINS, "upstream", "default"))
Wrong = st.sampled_from(WRONG)


@st.composite
def right(draw: st.DrawFn) -> Settings:
    """Settings without a mistake: a file, variables over it, and plugins denied."""
    in_file = draw(st.dictionaries(st.sampled_from(HOOKS), Choice, max_size=3))
    in_variables = draw(st.dictionaries(st.sampled_from(HOOKS), Choice, max_size=2))
    named = {*in_file.values(), *in_variables.values()}
    deniable = [name for name in PLUGINS if name not in named and name == "other"]
    denied = draw(st.sets(st.sampled_from(deniable), max_size=1)) if deniable else set()
    switch = draw(st.sampled_from([None, "on", "1", "TRUE", " yes ", "off", "0", "No"]))
    environment = [(f"SYNCFREE_{hook.upper()}", choice) for hook, choice in in_variables.items()]
    if denied:
        environment.append(("SYNCFREE_PLUGINS", ",".join(f"-{name}" for name in denied)))
    if switch is not None:
        environment.append(("SYNCFREE", switch))
    file = _toml(in_file) if in_file or draw(st.booleans()) else None
    chosen = {**DEFAULTS, **{h: c for h, c in {**in_file, **in_variables}.items() if c != "default"}}
    choices = tuple(sorted(chosen.items()))
    off = switch is not None and switch.strip().lower() in ("off", "0", "no")
    return Settings(tuple(environment), file, (), None if off else choices)


def _toml(hooks: dict[str, str]) -> bytes:
    return ("[hooks]\n" + "".join(f"{hook} = {json.dumps(choice)}\n" for hook, choice in hooks.items())).encode()


@st.composite
def wrong(draw: st.DrawFn) -> Settings:
    """Settings with one mistake, which must be named; ``SYNCFREE=off`` beside it wins always."""
    environment, file, words = draw(st.sampled_from(MISTAKES))
    if draw(st.integers(0, 4)) == 0:
        return Settings((*environment, ("SYNCFREE", "off")), file, (), None)
    if draw(st.booleans()) and not any(name == "SYNCFREE_DP_ALL_REDUCE" for name, _ in environment):
        environment = (*environment, ("SYNCFREE_DP_ALL_REDUCE", draw(Choice)))
    return Settings(environment, file, words, ())


Mistake = tuple[tuple[tuple[str, str], ...], bytes | None, tuple[str, ...]]


def _variables() -> list[Mistake]:
    names = (
        "SYNCFREE_PROGRES_REPORTING",
        "SYNCFREE_",
        "SYNCFREE_HOOKS",
        "SYNCFREE_DP_ALL_REDUCE_",
        "SYNCFREE__PLUGINS",
        "SYNCFREE_config",
    )
    found: list[Mistake] = [(((name, "acme"),), None, (name,)) for name in names]
    found += [
        ((("SYNCFREE_DP_ALL_REDUCE", value),), None, (value.strip(),)) for value in WRONG if value.strip() not in PLUGINS
    ]
    found += [
        ((("SYNCFREE_PLUGINS", value),), None, ("SYNCFREE_PLUGINS",))
        for value in ("acm", "-acm", "--acme", "sync_free,-sync_free", "-", "acme,,nonsense")
    ]
    found += [
        ((("SYNCFREE_ALLOW_UNKNOWN", value),), None, (value,)) for value in ("nonsense", "all", "*", "progres_reporting")
    ]
    found += [((("SYNCFREE", value),), None, ("SYNCFREE",)) for value in ("maybe", "of", "disabled", "2", "offf")]
    found += [
        ((("SYNCFREE_CONFIG", value),), None, (value.lstrip("~"),))
        for value in ("/nowhere/file.toml", "/", "/dev/null/x", "relative.toml", "~/x.toml")
    ]
    found += [((("SYNCFREE_PROGRESS_REPORTING", "shm_mailbox"),), None, ("shm_mailbox",))]
    return found


def _files() -> list[Mistake]:
    texts = {
        b"[hooks\n": "cannot be read",
        b"\xff\xfe\x00": "cannot be read",
        b"hooks = 3\n": "hooks",
        b"hooks = []\n": "hooks",
        b"[hook]\n": "hook",
        b"[hooks]\nprogres_reporting = 'acme'\n": "progres_reporting",
        b"[hooks]\ndp_all_reduce = 3\n": "dp_all_reduce",
        b"[hooks]\ndp_all_reduce = ['acme']\n": "dp_all_reduce",
        b"[hooks.dp_all_reduce]\nname = 'acme'\n": "dp_all_reduce",
        b"[hooks]\ndp_all_reduce = 'acm'\n": "acm",
        b"[hooks]\ndp_all_reduce = ''\n": "dp_all_reduce",
        b"enabled = 'off'\n": "enabled",
        b"enabled = 0\n": "enabled",
        b"plugins = 'acme'\n": "plugins",
        b"plugins = [3]\n": "plugins",
        b"plugins = ['acm']\n": "acm",
        b"plugins = ['sync_free', '-sync_free']\n": "sync_free",
        b"allow_unknown = true\n": "allow_unknown",
        b"allow_unknown = ['nonsense']\n": "nonsense",
        b"x = 1\n": "x",
        b"a = 1\na = 2\n": "cannot be read",
        b"d = 1979-05-27\n": "d",
        b"enabled = nan\n": "enabled",
        b"x = " + b"[" * 5000 + b"]" * 5000: "{file}",
        b"x" + b".x" * 3000 + b" = 1\n": "{file}",
        b"x = '" + b"y" * 3_000_000 + b"'\n": "{file}",
        b"\0" * 100: "cannot be read",
        b'[hooks]\ndp_all_reduce = "\\u0000"\n': "dp_all_reduce",
        b"'hooks' = {'dp_all_reduce' = 'acme', 'dp_all_reduce' = 'other'}\n": "cannot be read",
    }
    return [((("SYNCFREE_CONFIG", "{file}"),), text, (word,)) for text, word in texts.items()]


MISTAKES = [*_variables(), *_files()]
SETTINGS = [
    *drawn(right(), 40),
    *(Settings(environment, file, words, ()) for environment, file, words in MISTAKES),
    *drawn(wrong(), 40),
]
