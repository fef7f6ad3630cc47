"""The choices that a user can make for a process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ._errors import nearest
from ._text import clipped
from ._variables import PLUGINS
from .measuring._order import Order
from .metrics._settings import MetricsSettings
from .recording._settings import Settings as RecordSettings
from .verifying._settings import Settings as VerifySettings

UPSTREAM = "upstream"
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Choice:
    """The choice for a hook (a plugin's name, ``upstream``, or ``default``), and where it was made."""

    name: str
    source: str

    @property
    def explicit(self) -> bool:
        """Return whether the user named it, so that it must be met or refused with an error."""
        return self.name != DEFAULT


BY_DEFAULT = Choice(DEFAULT, "default")


@dataclass(frozen=True, slots=True)
class Selection:
    """The user's choices for this process.

    Attributes:
        allowed: the plugins that are permitted; all if empty.
        denied: the plugins that are excluded.
        plugins_source: the variable, or the file and its key, of `allowed` and `denied`.
        verify: how hooks are verified; those that are not are left out.
        record: how hooks are recorded; those that are not are left out.
        measure: what ``syncfree ab`` has this process measure.
        ignored: problems that would be errors if syncfree were not switched off.
        control: this process may be reached by ``syncfree ps`` and ``syncfree toggle``.
        report: print counts when the process ends.
        metrics: where metrics for Prometheus go; None for nowhere.
        metrics_sample: the share of the calls that they time, from 0 to 1.
    """

    enabled: bool
    hooks: Mapping[str, Choice]
    allowed: tuple[str, ...]
    denied: frozenset[str]
    allow_unknown: frozenset[str]
    plugins_source: str = PLUGINS
    ignored: tuple[str, ...] = ()
    verify: Mapping[str, VerifySettings] = field(default_factory=dict)
    record: Mapping[str, RecordSettings] = field(default_factory=dict)
    measure: Order | None = None
    control: bool = True
    report: bool = False
    metrics: MetricsSettings | None = None
    metrics_sample: float = 0.0

    def choice(self, hook: str) -> Choice:
        """Return the choice for a hook, `BY_DEFAULT` if none was made."""
        return self.hooks.get(hook, BY_DEFAULT)


def choice_problem(hook: str, name: str, available: Iterable[str], installed: Iterable[str]) -> str | None:
    """Return why a name cannot be chosen for a hook; None when it can."""
    valid = {*available, UPSTREAM, DEFAULT}
    if name in valid:
        return None
    if name in set(installed):
        return f"plugin {name!r} is denied or does not implement {hook}{nearest(name, valid)}"
    return f"{clipped(name)!r} does not implement {hook}{nearest(name, valid)}"
