"""``syncfree config``: the choices that are in effect here, and where each comes from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict

import typer

from .._errors import SelectionError
from .._runtime import RUNTIME
from .._selection import DEFAULT, UPSTREAM, Selection
from .._variables import (
    ALLOW_UNKNOWN,
    CONFIG,
    CONTROL,
    METRICS,
    METRICS_SAMPLE,
    RECORD,
    RECORD_TO,
    SWITCH,
    VERIFY,
    VERIFY_CONTENTS,
    VERIFY_ON_MISMATCH,
)
from ..hooks import HOOKS
from ._output import print_json, print_line, print_paragraph, print_table


def config_command(
    write: str | None = typer.Option(
        None, help="Write these choices to a new configuration file, with every other key as a comment.", metavar="FILE"
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show the choices that are in effect here, and where each comes from; write them to a file."""
    selection = RUNTIME.selection()
    if write is not None:
        _write(write, (f"{line}\n" for line in _toml(selection)))
        print_line(f"wrote {write}; set {CONFIG}={write} in the environment of the processes that are to use it")
        return
    rows = [(hook, choice.name, choice.source) for hook, choice in selection.hooks.items()]
    if as_json:
        hooks = {hook: {"choice": name, "source": source} for hook, name, source in rows}
        print_json(
            {
                "enabled": selection.enabled,
                "plugins": _plugins(selection),
                "allow_unknown": sorted(selection.allow_unknown),
                "control": selection.control,
                "metrics": asdict(selection.metrics) if selection.metrics else None,
                "metrics_sample": selection.metrics_sample,
                "verify": {hook: asdict(settings) for hook, settings in selection.verify.items()},
                "record": {hook: asdict(settings) for hook, settings in selection.record.items()},
                "hooks": hooks,
                "ignored": list(selection.ignored),
            }
        )
        return
    print_line(f"enabled: {'yes' if selection.enabled else 'no'}")
    print_line(f"configuration file: {os.environ.get(CONFIG) or f'none ({CONFIG} is not set)'}")
    print_line(f"plugins: {', '.join(_plugins(selection)) or 'all'}" + (f" ({selection.plugins_source})" if _plugins(selection) else ""))
    print_line(f"bound to unknown code, too: {', '.join(sorted(selection.allow_unknown)) or 'nothing'}")
    print_line(f"reached by ps, top and toggle: {'yes' if selection.enabled and selection.control else 'no'}")
    print_line(f"metrics: {_metrics(selection)}")
    for hook, verified in selection.verify.items():
        print_line(f"verified: {hook}, a share of {verified.share:g} of its calls; on a mismatch: {verified.on_mismatch}")
    for hook, recorded in selection.record.items():
        print_line(f"recorded: {hook}, the first {recorded.calls} calls of a process, to {recorded.folder}")
    print_line("")
    if rows:
        print_table(("hook", "choice", "chosen by"), rows)
        print_line("")
    print_paragraph(f"{'All other' if rows else 'All'} hooks: {DEFAULT}.")
    for problem in selection.ignored:
        print_line(f"ignored while syncfree is switched off: {problem}")
    print_line("syncfree config --write FILE    keeps this in a file")


def _plugins(selection: Selection) -> list[str]:
    return [*selection.allowed, *(f"-{name}" for name in sorted(selection.denied))]


def _metrics(selection: Selection) -> str:
    if selection.metrics is None:
        return "none"
    place = f"at {selection.metrics.where}" if selection.metrics.where else "in the framework's own registry"
    timed = f", with times of a share of {selection.metrics_sample:g} of the calls of every hook" if selection.metrics_sample else ""
    return f"{place}{timed}"


def _write(path: str, lines: Iterator[str]) -> None:
    try:
        with open(os.path.expanduser(path), "x", encoding="utf-8") as file:
            file.writelines(lines)
    except FileExistsError:
        raise SelectionError(f"syncfree: {path} exists and is left as it is; name a new file, or remove it") from None
    except OSError as error:
        raise SelectionError(f"syncfree: {path} cannot be written: {error.strerror}") from error


def _toml(selection: Selection) -> Iterator[str]:
    """Yield the lines of a configuration file: what is in effect, and as comments what could be."""

    def quoted(names: list[str]) -> str:
        return "[" + ", ".join(f'"{name}"' for name in names) + "]"

    yield f"# Choices of syncfree for every process with {CONFIG}=<this file>. Variables take precedence over it."
    yield ""
    yield f"# false switches everything off, as {SWITCH}=off does."
    yield f"enabled = {str(selection.enabled).lower()}"
    yield ""
    yield '# "name" permits only the named plugins, in the order in which the default is chosen; "-name" excludes one.'
    yield f"plugins = {quoted(_plugins(selection))}"
    yield ""
    yield f"# Hooks that may be bound to code that was not recorded, if its parameters are known, as {ALLOW_UNKNOWN}."
    yield f"allow_unknown = {quoted(sorted(selection.allow_unknown))}"
    yield ""
    yield f"# false: `syncfree ps` and `syncfree toggle` do not reach these processes, as {CONTROL}=off."
    yield f"control = {str(selection.control).lower()}"
    verified = next(iter(selection.verify.values()), None)
    recorded = next(iter(selection.record.values()), None)
    yield ""
    yield f"# The share of the calls that metrics time, from 0 to 1, as {METRICS_SAMPLE}; where {METRICS} says where metrics go."
    yield f"metrics_sample = {selection.metrics_sample}" if selection.metrics_sample else "# metrics_sample = 0.01"
    yield ""
    yield f"# What a mismatch does: log, upstream or raise; and the folder for its arguments, as {VERIFY_ON_MISMATCH} and"
    yield f"# {VERIFY_CONTENTS}."
    yield _assigned("verify_on_mismatch", verified.on_mismatch if verified else None, UPSTREAM)
    yield _assigned("verify_contents", verified.contents if verified else None, "mismatches")
    yield ""
    yield f"# The folder for recorded calls, as {RECORD_TO}."
    yield _assigned("record_to", recorded.folder if recorded else None, "calls")
    yield ""
    yield f"# The share of a hook's calls to compare with upstream, from 0 to 1, as {VERIFY}."
    yield "[verify]"
    yield from [f"{hook} = {float(settings.share)}" for hook, settings in selection.verify.items()] or ["# sampler_logprob_gather = 0.01"]
    yield ""
    yield f"# How many calls of a hook each process records, as {RECORD}."
    yield "[record]"
    yield from [f"{hook} = {settings.calls}" for hook, settings in selection.record.items()] or ["# pooled_rows = 100"]
    yield ""
    yield "[hooks]"
    plugins = RUNTIME.plugins()
    for name, hook in HOOKS.items():
        names = ", ".join([*(one.plugin for one in plugins.candidates(name)), UPSTREAM, DEFAULT])
        yield f"# {hook.summary}"
        yield f"# one of: {names}"
        choice = selection.hooks.get(name)
        yield f'{name} = "{choice.name}"' if choice else f'# {name} = "{DEFAULT}"'
        yield ""


def _assigned(key: str, value: str | None, example: str) -> str:
    """Return a line with the value in effect, or a comment with another one. JSON's strings are TOML's, too."""
    return f"{key} = {json.dumps(value, ensure_ascii=False)}" if value else f"# {key} = {json.dumps(example)}"
