"""The entry points of our groups in every installed distribution; damaged metadata is reported and does not hide the rest.

Our own come from the package itself (`_own_entry_points`), so that they do not depend on the state of our metadata.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from ._distributions import ENTRY_POINTS, Unreadable, described, with_entry_points
from ._errors import PluginError, describe_error, one_line, or_default
from ._import_guard import guarded
from ._modules import importing_behind, is_importing
from ._own_entry_points import SHIPPED
from ._version import __version__

OURS = "syncfree"
ORIGIN = f"{OURS} {__version__}"
_NEXT_STEP = {
    "syncfree": "name the function with hookimpl(implementation='module:function'), which is imported when it is chosen",
    "syncfree.adapters": "an adapter must not import its framework",
}


@dataclass(frozen=True, slots=True)
class Point:
    """One entry point: its name, its value, and the distribution that declares it."""

    group: str
    name: str
    value: str
    distribution: str
    ours: bool = False

    def load(self) -> object:
        """Import the object.

        Raises:
            PluginError: it cannot be imported, for whatever reason, or importing it does what `guarded` undoes.
        """
        match = EntryPoint.pattern.match(self.value)
        if match is None:
            raise PluginError(f"{one_line(repr(self.value))} is not 'package.module:object'")
        try:
            with guarded():
                loaded: object = EntryPoint(self.name, self.value, self.group).load()
        except (KeyboardInterrupt, PluginError):
            raise
        except BaseException as error:
            raise PluginError(describe_error(error) + self._next_step(error)) from error
        if is_importing(sys.modules.get(match.group("module"))):
            raise PluginError(self._asked_too_early)
        return loaded

    @property
    def _asked_too_early(self) -> str:
        return "it makes syncfree load plugins while it is being imported itself: do that in a function, not at import"

    def _next_step(self, error: BaseException) -> str:
        module = or_default(lambda: importing_behind(error), None)
        if module is None:
            return ""
        if module == self.value.partition(":")[0].strip():
            return f"; {self._asked_too_early}"
        return f"; {module} is still being imported: {_NEXT_STEP[self.group]}"


@dataclass(frozen=True, slots=True)
class Found:
    """The entry points of a group, ours first and then by name; ``damaged``: distributions with unreadable metadata, and why."""

    points: list[Point]
    damaged: list[tuple[str, str]]


def find(group: str) -> Found:
    """Find the entry points of a group in every installed distribution."""
    found = Found([], [])
    points = found.points
    own: dict[tuple[str, str], str] = {}
    trouble: str | None = "its metadata is missing"
    for canonical, distribution, text in with_entry_points(found.damaged):
        named, bad = ([], str(text)) if isinstance(text, Unreadable) else parse(text, SHIPPED)
        if canonical == OURS:
            own, trouble = {(where, name): value for where, name, value in named}, bad
            continue
        of_group = [(name, value) for where, name, value in named if where == group]
        origin = described(distribution) if of_group or bad else ""
        points += [Point(group, name, value, origin) for name, value in of_group]
        if bad:
            found.damaged.append((origin, bad))
    shipped = {(where, name): value for where, values in SHIPPED.items() for name, value in values.items()}
    if trouble or shipped.keys() - own:
        reason = trouble or "its metadata lacks some of its entry points"
        found.damaged.append((ORIGIN, f"{reason}; its own plugins and adapters are used nevertheless: reinstall it"))
    everything = {**own, **shipped}
    points += [Point(group, name, value, ORIGIN, ours=True) for (where, name), value in everything.items() if where == group]
    points.sort(key=lambda point: (not point.ours, point.name))
    return found


def parse(text: str, groups: Collection[str]) -> tuple[list[tuple[str, str, str]], str | None]:
    """Return the entry points of these groups as (group, name, value), and the first problem of the text, if any."""
    named = []
    bad: list[str] = []
    group = ""
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            group = line[1:-1].strip()
            continue
        name, equals, value = map(str.strip, line.partition("="))
        if not group or not equals:
            bad.append(f"line {number} of its {ENTRY_POINTS} is not 'name = module:object': {one_line(repr(line))}")
        elif group in groups:
            named.append((group, name, value))
    return named, bad[0] if bad else None
