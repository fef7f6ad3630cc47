"""The user's choices, read once per process.

``SYNCFREE=off`` switches everything off. Otherwise, in order of precedence, highest first:

1. a call in the program: ``syncfree.use(hook=choice)``;
2. the environment: ``SYNCFREE_<HOOK>=<plugin>`` or ``upstream``;
3. the file that ``SYNCFREE_CONFIG`` names (TOML);
4. the default: an implementation that declares ``exact``, where the installed release stalls or repeats work.

``SYNCFREE_VERIFY`` names the hooks to verify, with the share of their calls (see `verifying`).

``SYNCFREE_METRICS`` switches on metrics for Prometheus, and ``SYNCFREE_METRICS_SAMPLE`` the timing of a share of the calls for
them (see `metrics`).

``SYNCFREE_REPORT`` switches on the counts that are printed when a process ends.

``SYNCFREE_RECORD`` names the hooks to record, with a number of calls, and ``SYNCFREE_RECORD_TO`` the folder (see
`recording`). ``SYNCFREE_AB`` is set by ``syncfree ab`` in the processes that it measures.

``SYNCFREE_PLUGINS`` allows (``name``) and denies (``-name``) plugins; ``SYNCFREE_ALLOW_UNKNOWN`` names the hooks that may
be bound to targets with unknown code. Each of them overrides the file's corresponding entry. An empty or blank variable
counts as not set. While syncfree is switched off, errors in any of them are ignored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from ._config_file import ConfigFile, read_config_file
from ._errors import SelectionError, nearest
from ._hook import Hook
from ._name_list import NameList
from ._text import clipped
from .measuring._order import Order, read_order
from .metrics._settings import MetricsSettings, parse_metrics, parse_sample
from .recording._settings import Settings as RecordSettings
from .recording._settings import call_problems, parse_calls
from .verifying._settings import ROLL_BACK, OnMismatch, Settings, parse_shares, policy_problems, share_problems

PREFIX = "SYNCFREE"
SWITCH = "SYNCFREE"
PLUGINS = "SYNCFREE_PLUGINS"
CONFIG = "SYNCFREE_CONFIG"
ALLOW_UNKNOWN = "SYNCFREE_ALLOW_UNKNOWN"
VERIFY = "SYNCFREE_VERIFY"
VERIFY_ON_MISMATCH = "SYNCFREE_VERIFY_ON_MISMATCH"
VERIFY_CONTENTS = "SYNCFREE_VERIFY_CONTENTS"
RECORD = "SYNCFREE_RECORD"
RECORD_TO = "SYNCFREE_RECORD_TO"
CONTROL = "SYNCFREE_CONTROL"
JOB = "SYNCFREE_JOB"
AB = "SYNCFREE_AB"
REPORT = "SYNCFREE_REPORT"
METRICS = "SYNCFREE_METRICS"
METRICS_SAMPLE = "SYNCFREE_METRICS_SAMPLE"
GENERAL_VARIABLES = (
    *(SWITCH, PLUGINS, CONFIG, ALLOW_UNKNOWN),
    *(VERIFY, VERIFY_ON_MISMATCH, VERIFY_CONTENTS),
    *(RECORD, RECORD_TO, AB),
    *(CONTROL, JOB, REPORT, METRICS, METRICS_SAMPLE),
)

UPSTREAM = "upstream"
DEFAULT = "default"
_ON = frozenset({"on", "1", "true", "yes"})
_OFF = frozenset({"off", "0", "false", "no"})
_OF_KUBERNETES = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")
"""Kubernetes sets these for a service whose name begins with ``syncfree``, in every container of its namespace."""

_SHOWN = 20


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
    verify: Mapping[str, Settings] = field(default_factory=dict)
    record: Mapping[str, RecordSettings] = field(default_factory=dict)
    measure: Order | None = None
    control: bool = True
    report: bool = False
    metrics: MetricsSettings | None = None
    metrics_sample: float = 0.0

    def choice(self, hook: str) -> Choice:
        """Return the choice for a hook, `BY_DEFAULT` if none was made."""
        return self.hooks.get(hook, BY_DEFAULT)


def is_off(environ: Mapping[str, str]) -> bool:
    """Return whether ``SYNCFREE`` switches everything off.

    Raises:
        SelectionError: the value is neither on nor off.
    """
    return _is_on(environ, SWITCH) is False


def control_directory(environ: Mapping[str, str]) -> str | None:
    """Return the run directory that ``SYNCFREE_CONTROL`` names, an absolute path; None where it names none."""
    value = _value(environ, CONTROL)
    return value if os.path.isabs(value) else None


def read_selection(environ: Mapping[str, str], hooks: Mapping[str, Hook]) -> Selection:
    """Read the user's choices from the environment and the configuration file.

    Names of plugins are checked later, when the plugins are known (`check_plugin_names`).

    Raises:
        SelectionError: an unknown variable, key or hook, an invalid value, or a missing file, unless syncfree is switched
            off. One message lists all problems.
    """
    variables = {hook.variable: name for name, hook in hooks.items()}
    problems = list(_unknown_variables(environ, (*GENERAL_VARIABLES, *variables)))
    said: dict[str, bool | None] = {}
    run_directory = control_directory(environ)
    for variable in (SWITCH, REPORT, *(() if run_directory else (CONTROL,))):
        try:
            said[variable] = _is_on(environ, variable)
        except SelectionError as error:
            problems.append(str(error).removeprefix("syncfree: "))
    off, control = said.get(SWITCH) is False, True if run_directory else said.get(CONTROL)
    path = _value(environ, CONFIG)
    file = read_config_file(path, hooks) if path and not off else ConfigFile()
    problems += file.problems
    chosen = {hook: Choice(name, file.source) for hook, name in file.hooks.items()}
    chosen |= {hook: Choice(name, variable) for variable, hook in variables.items() if (name := _value(environ, variable))}
    plugins = _names(environ, PLUGINS, file.plugins)
    unknown = _names(environ, ALLOW_UNKNOWN, file.allow_unknown)
    verified, of_verification = _verification(environ, hooks, file)
    problems += [*plugins.contradictions(), *unknown.unknown("hook", hooks), *of_verification]
    recorded, of_recording = _recording(environ, hooks, file)
    order, of_order = read_order(_value(environ, AB), AB, hooks)
    metrics, metrics_sample, of_metrics = _metrics(environ, file)
    problems += [*of_recording, *of_order, *of_metrics]
    if off or not file.enabled:
        return Selection(False, {}, plugins.allowed, plugins.denied, frozenset(), plugins.source, tuple(problems))
    raise_all(problems)
    allow_unknown = frozenset(unknown.words)
    control = file.control if control is None else control
    return Selection(
        True,
        chosen,
        *(plugins.allowed, plugins.denied, allow_unknown, plugins.source),
        verify=verified,
        record=recorded,
        measure=order,
        control=control,
        report=said.get(REPORT) is True,
        metrics=metrics,
        metrics_sample=metrics_sample,
    )


def _verification(environ: Mapping[str, str], hooks: Mapping[str, Hook], file: ConfigFile) -> tuple[dict[str, Settings], list[str]]:
    """Return how hooks are verified, and the problems of what says so."""
    shares, problems = parse_shares(_value(environ, VERIFY), VERIFY, hooks)
    if not _value(environ, VERIFY):
        shares = file.verify
        problems = [f"{file.source}: verify: {why}" for hook, share in shares.items() for why in share_problems(hook, share, hooks)]
    policy, source = _value(environ, VERIFY_ON_MISMATCH), VERIFY_ON_MISMATCH
    if not policy and file.verify_on_mismatch:
        policy, source = file.verify_on_mismatch, f"{file.source}: verify_on_mismatch"
    problems += policy_problems(policy or ROLL_BACK, source)
    contents = _value(environ, VERIFY_CONTENTS) or file.verify_contents or None
    settings = {hook: Settings(share, cast(OnMismatch, policy or ROLL_BACK), contents) for hook, share in shares.items() if share}
    return settings, problems


def _recording(
    environ: Mapping[str, str], hooks: Mapping[str, Hook], file: ConfigFile
) -> tuple[dict[str, RecordSettings], list[str]]:
    """Return how hooks are recorded, and the problems of what says so."""
    calls, problems = parse_calls(_value(environ, RECORD), RECORD, hooks)
    folder = _value(environ, RECORD_TO) or file.record_to
    if _value(environ, RECORD):
        needs = f"{RECORD} needs {RECORD_TO}"
    else:
        found = {hook: [f"{file.source}: record: {why}" for why in call_problems(hook, str(n), hooks)] for hook, n in file.record.items()}
        problems = [problem for of_hook in found.values() for problem in of_hook]
        calls = {hook: int(number) for hook, number in file.record.items() if not found[hook]}
        needs = f"{file.source}: record needs record_to"
    if calls and not folder:
        problems.append(f"{needs}, the folder for the recorded calls")
    return {hook: RecordSettings(number, folder) for hook, number in calls.items()}, problems


def _metrics(environ: Mapping[str, str], file: ConfigFile) -> tuple[MetricsSettings | None, float, list[str]]:
    """Return where metrics go (None: nowhere), the share of the calls that they time, and the problems of what says so."""
    settings, problems = parse_metrics(_value(environ, METRICS), METRICS)
    share, text = file.metrics_sample, _value(environ, METRICS_SAMPLE)
    if text:
        share, of_share = parse_sample(text, METRICS_SAMPLE)
        problems += of_share
        if share and not _value(environ, METRICS):
            problems.append(f"{METRICS_SAMPLE} needs {METRICS}, which says where metrics go")
    return settings, share, problems


def _names(environ: Mapping[str, str], variable: str, in_file: NameList) -> NameList:
    """Return the names in a variable, or if it has none, those of the file's corresponding entry."""
    words = [word.strip() for word in _value(environ, variable).split(",") if word.strip()]
    return NameList(words, variable) if words or not in_file.words else in_file


def check_plugin_names(selection: Selection, installed: Iterable[str], implementations: Mapping[str, Iterable[str]]) -> None:
    """Raise `SelectionError` for a chosen, allowed or denied name that no plugin has, unless syncfree is switched off.

    Args:
        selection: what `read_selection` returned.
        installed: the names of all plugins that exist, permitted or not.
        implementations: the permitted plugins by hook.
    """
    if not selection.enabled:
        return
    names = set(installed)
    named = NameList((*selection.allowed, *(f"-{name}" for name in sorted(selection.denied))), selection.plugins_source)
    problems = named.unknown("plugin", names)
    for hook, choice in selection.hooks.items():
        problem = choice_problem(hook, choice.name, implementations.get(hook, ()), names)
        if problem:
            problems.append(f"{choice.source}: {problem}")
    raise_all(problems)


def choice_problem(hook: str, name: str, available: Iterable[str], installed: Iterable[str]) -> str | None:
    """Return why a name cannot be chosen for a hook; None when it can."""
    valid = {*available, UPSTREAM, DEFAULT}
    if name in valid:
        return None
    if name in set(installed):
        return f"plugin {name!r} is denied or does not implement {hook}{nearest(name, valid)}"
    return f"{clipped(name)!r} does not implement {hook}{nearest(name, valid)}"


def raise_all(problems: list[str]) -> None:
    """Raise one `SelectionError` that names every problem; return when there is none."""
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise SelectionError("syncfree: " + "; ".join(problems[:_SHOWN] + more))


def _unknown_variables(environ: Mapping[str, str], known: tuple[str, ...]) -> Iterator[str]:
    """Yield a message for each variable that has our prefix and is unknown, or is one of ours in other spelling."""
    for name in environ:
        folded = name.strip().upper().replace("-", "_")
        ours = name.startswith(f"{PREFIX}_") or folded in known
        if ours and name not in known and not _OF_KUBERNETES.fullmatch(name):
            shown = clipped(name if name == name.strip() else repr(name))
            yield f"unknown variable {shown}{nearest(folded, known)}"


def _is_on(environ: Mapping[str, str], variable: str) -> bool | None:
    """Return whether a variable says on or off; None where it is not set.

    Raises:
        SelectionError: the value is neither on nor off.
    """
    word = _value(environ, variable).lower()
    if word and word not in _ON | _OFF:
        raise SelectionError(f"syncfree: {variable}={clipped(word)!r} is neither on nor off{nearest(word, _ON | _OFF)}")
    return word in _ON if word else None


def _value(environ: Mapping[str, str], variable: str) -> str:
    """Return a variable's value without surrounding blanks; empty when it is not set."""
    return environ.get(variable, "").strip()
