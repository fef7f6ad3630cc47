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

from collections.abc import Iterable, Mapping
from typing import cast

from ._config_file import ConfigFile, read_config_file
from ._errors import SelectionError, raise_all
from ._hook import Hook
from ._name_list import NameList
from ._selection import Choice, Selection, choice_problem
from ._variables import (
    AB,
    ALLOW_UNKNOWN,
    CONFIG,
    CONTROL,
    GENERAL_VARIABLES,
    METRICS,
    METRICS_SAMPLE,
    PLUGINS,
    RECORD,
    RECORD_TO,
    REPORT,
    SWITCH,
    VERIFY,
    VERIFY_CONTENTS,
    VERIFY_ON_MISMATCH,
    control_directory,
    is_on,
    unknown_variables,
    value_of,
)
from .measuring._order import read_order
from .metrics._settings import MetricsSettings, parse_metrics, parse_sample
from .recording._settings import Settings as RecordSettings
from .recording._settings import call_problems, parse_calls
from .verifying._settings import ROLL_BACK, OnMismatch, Settings, parse_shares, policy_problems, share_problems


def read_selection(environ: Mapping[str, str], hooks: Mapping[str, Hook]) -> Selection:
    """Read the user's choices from the environment and the configuration file.

    Names of plugins are checked later, when the plugins are known (`check_plugin_names`).

    Raises:
        SelectionError: an unknown variable, key or hook, an invalid value, or a missing file, unless syncfree is switched
            off. One message lists all problems.
    """
    variables = {hook.variable: name for name, hook in hooks.items()}
    problems = list(unknown_variables(environ, (*GENERAL_VARIABLES, *variables)))
    said: dict[str, bool | None] = {}
    for variable in (SWITCH, REPORT, CONTROL):
        try:
            on_a_path = variable == CONTROL and control_directory(environ) is not None
            said[variable] = True if on_a_path else is_on(environ, variable)
        except SelectionError as error:
            problems.append(str(error).removeprefix("syncfree: "))
    off, control = said.get(SWITCH) is False, said.get(CONTROL)
    path = value_of(environ, CONFIG)
    file = read_config_file(path, hooks) if path and not off else ConfigFile()
    problems += file.problems
    chosen = {hook: Choice(name, file.source) for hook, name in file.hooks.items()}
    chosen |= {hook: Choice(name, variable) for variable, hook in variables.items() if (name := value_of(environ, variable))}
    plugins = _names(environ, PLUGINS, file.plugins)
    unknown = _names(environ, ALLOW_UNKNOWN, file.allow_unknown)
    verified, of_verification = _verification(environ, hooks, file)
    problems += [*plugins.contradictions(), *unknown.unknown("hook", hooks), *of_verification]
    recorded, of_recording = _recording(environ, hooks, file)
    order, of_order = read_order(value_of(environ, AB), AB, hooks)
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
    shares, problems = parse_shares(value_of(environ, VERIFY), VERIFY, hooks)
    if not value_of(environ, VERIFY):
        shares = file.verify
        problems = [f"{file.source}: verify: {why}" for hook, share in shares.items() for why in share_problems(hook, share, hooks)]
    policy, source = value_of(environ, VERIFY_ON_MISMATCH), VERIFY_ON_MISMATCH
    if not policy and file.verify_on_mismatch:
        policy, source = file.verify_on_mismatch, f"{file.source}: verify_on_mismatch"
    problems += policy_problems(policy or ROLL_BACK, source)
    contents = value_of(environ, VERIFY_CONTENTS) or file.verify_contents or None
    settings = {hook: Settings(share, cast(OnMismatch, policy or ROLL_BACK), contents) for hook, share in shares.items() if share}
    return settings, problems


def _recording(
    environ: Mapping[str, str], hooks: Mapping[str, Hook], file: ConfigFile
) -> tuple[dict[str, RecordSettings], list[str]]:
    """Return how hooks are recorded, and the problems of what says so."""
    calls, problems = parse_calls(value_of(environ, RECORD), RECORD, hooks)
    folder = value_of(environ, RECORD_TO) or file.record_to
    if value_of(environ, RECORD):
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
    settings, problems = parse_metrics(value_of(environ, METRICS), METRICS)
    share, text = file.metrics_sample, value_of(environ, METRICS_SAMPLE)
    if text:
        share, of_share = parse_sample(text, METRICS_SAMPLE)
        problems += of_share
        if share and not value_of(environ, METRICS):
            problems.append(f"{METRICS_SAMPLE} needs {METRICS}, which says where metrics go")
    return settings, share, problems


def _names(environ: Mapping[str, str], variable: str, in_file: NameList) -> NameList:
    """Return the names in a variable, or if it has none, those of the file's corresponding entry."""
    words = [word.strip() for word in value_of(environ, variable).split(",") if word.strip()]
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
