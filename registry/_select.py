"""What the user chose, read once per process.

Precedence, in one place. ``SYNCFREE=off`` switches everything off. Otherwise, strongest first:

1. a call in the program: ``syncfree.use(hook=choice)``;
2. the environment: ``SYNCFREE_<HOOK>=<plugin>`` or ``upstream``;
3. the file that ``SYNCFREE_CONFIG`` names (TOML);
4. the default: an implementation that is declared exact, where the installed release stalls.

``SYNCFREE_PLUGINS`` allows (``name``) and denies (``-name``) plugins; ``SYNCFREE_ALLOW_UNKNOWN`` names the hooks that may
be bound to a target whose code was not seen before. Each of them overrides the file's entry of the same meaning.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._errors import SelectionError, nearest
from ._hook import Hook

PREFIX = "SYNCFREE"
SWITCH = "SYNCFREE"
PLUGINS = "SYNCFREE_PLUGINS"
CONFIG = "SYNCFREE_CONFIG"
ALLOW_UNKNOWN = "SYNCFREE_ALLOW_UNKNOWN"
GENERAL_VARIABLES = (SWITCH, PLUGINS, CONFIG, ALLOW_UNKNOWN)

UPSTREAM = "upstream"
DEFAULT = "default"
_ON = frozenset({"on", "1", "true", "yes"})
_OFF = frozenset({"off", "0", "false", "no"})
_FILE_KEYS = ("enabled", "plugins", "allow_unknown", "hooks")


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for a hook and where: a plugin's name, ``upstream``, or ``default``."""

    name: str
    source: str

    @property
    def explicit(self) -> bool:
        """The user named it, so it must be met or refused aloud."""
        return self.name != DEFAULT


BY_DEFAULT = Choice(DEFAULT, "default")


@dataclass(frozen=True, slots=True)
class Selection:
    """The user's choices for this process."""

    enabled: bool
    hooks: Mapping[str, Choice]
    allowed: tuple[str, ...]
    denied: frozenset[str]
    allow_unknown: frozenset[str]

    def choice(self, hook: str) -> Choice:
        """The choice for a hook; the default one when nothing was said."""
        return self.hooks.get(hook, BY_DEFAULT)


def is_off(environ: Mapping[str, str]) -> bool:
    """Whether ``SYNCFREE`` switches everything off.

    Raises:
        SelectionError: the variable holds something else than on or off.
    """
    return not _switch(environ.get(SWITCH, "on"), SWITCH)


def read_selection(environ: Mapping[str, str], hooks: Mapping[str, Hook]) -> Selection:
    """Read the user's choices from the environment and the configuration file.

    Names of plugins are checked later, when the plugins are known (`check_plugin_names`).

    Raises:
        SelectionError: an unknown variable, key or hook, a value that cannot be read, or a missing file. All that is
            wrong is named in one message.
    """
    problems: list[str] = []
    variables = {hook.variable: name for name, hook in hooks.items()}
    known = (*GENERAL_VARIABLES, *variables)
    for name in environ:
        if (name == PREFIX or name.startswith(f"{PREFIX}_")) and name not in known:
            problems.append(f"unknown variable {name}{nearest(name, known)}")
    try:
        enabled = not is_off(environ)
    except SelectionError as error:
        problems.append(str(error))
        enabled = True
    file = _read_file(environ[CONFIG], hooks, problems) if environ.get(CONFIG) else {}
    chosen = {hook: Choice(name, f"file {environ.get(CONFIG)}") for hook, name in file.get("hooks", {}).items()}
    for variable, hook in variables.items():
        if environ.get(variable):
            chosen[hook] = Choice(environ[variable].strip(), variable)
    plugins = _words(environ[PLUGINS]) if PLUGINS in environ else file.get("plugins", [])
    unknown = _words(environ[ALLOW_UNKNOWN]) if ALLOW_UNKNOWN in environ else file.get("allow_unknown", [])
    for hook in unknown:
        if hook not in hooks:
            problems.append(f"{ALLOW_UNKNOWN} names the unknown hook {hook!r}{nearest(hook, hooks)}")
    raise_all(problems)
    return Selection(
        enabled=enabled and file.get("enabled", True),
        hooks=chosen,
        allowed=tuple(name for name in plugins if not name.startswith("-")),
        denied=frozenset(name[1:] for name in plugins if name.startswith("-")),
        allow_unknown=frozenset(unknown),
    )


def check_plugin_names(selection: Selection, installed: Iterable[str], implementations: Mapping[str, Iterable[str]]) -> None:
    """Raise `SelectionError` for a chosen, allowed or denied name that no plugin has.

    Args:
        selection: what `read_selection` returned.
        installed: the names of all plugins that exist, permitted or not.
        implementations: the permitted plugins by hook.
    """
    names = set(installed)
    problems = [
        f"{PLUGINS} names the unknown plugin {name!r}{nearest(name, names)}"
        for name in (*selection.allowed, *sorted(selection.denied))
        if name not in names
    ]
    for hook, choice in selection.hooks.items():
        problem = choice_problem(hook, choice.name, implementations.get(hook, ()), names)
        if problem:
            problems.append(f"{choice.source}: {problem}")
    raise_all(problems)


def choice_problem(hook: str, name: str, available: Iterable[str], installed: Iterable[str]) -> str | None:
    """Why a name cannot be chosen for a hook; None when it can."""
    valid = {*available, UPSTREAM, DEFAULT}
    if name in valid:
        return None
    if name in set(installed):
        return f"plugin {name!r} is denied or does not implement {hook}{nearest(name, valid)}"
    return f"{name!r} does not implement {hook}{nearest(name, valid)}"


def raise_all(problems: list[str]) -> None:
    """Raise one `SelectionError` that names every problem; return when there is none."""
    if problems:
        raise SelectionError("syncfree: " + "; ".join(problems))


def _switch(value: str, name: str) -> bool:
    word = value.strip().lower()
    if word in _ON or word in _OFF:
        return word in _ON
    raise SelectionError(f"{name}={value!r} is neither on nor off")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _read_file(path: str, hooks: Mapping[str, Hook], problems: list[str]) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        data: dict[str, Any] = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{CONFIG}={path} cannot be read: {error}")
        return {}
    for key in data:
        if key not in _FILE_KEYS:
            problems.append(f"{path}: unknown key {key!r}{nearest(key, _FILE_KEYS)}")
    kinds = {"enabled": bool, "plugins": list, "allow_unknown": list, "hooks": dict}
    for key, kind in kinds.items():
        if key in data and not isinstance(data[key], kind):
            problems.append(f"{path}: {key} must be a {kind.__name__}, not {type(data[key]).__name__}")
            del data[key]
    for hook, name in data.get("hooks", {}).items():
        if hook not in hooks:
            problems.append(f"{path}: unknown hook {hook!r}{nearest(hook, hooks)}")
        elif not isinstance(name, str):
            problems.append(f"{path}: hooks.{hook} must be the name of a plugin or 'upstream', not {name!r}")
    for key in ("plugins", "allow_unknown"):
        if not all(isinstance(word, str) for word in data.get(key, [])):
            problems.append(f"{path}: {key} must be a list of names")
            data[key] = []
    return data
