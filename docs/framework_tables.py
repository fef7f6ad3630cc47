"""The table of one framework's bindings, for its page: the content of ``hooks.md`` with one row per binding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syncfree.adapting import BOUND_BY_DEFAULT, Adapter, Binding, Status
from syncfree.hooks import HOOKS

from .hooks_page import ADAPTERS, Stretch, alike

PAGES = {f"docs/{adapter.framework}.md": adapter for adapter in ADAPTERS}

MOST_NAMED = 3
"""The number of equal bindings that a row names; more are only counted, and ``hooks.md`` names them."""


def table(adapter: Adapter) -> str:
    """Return the bindings of an adapter, by hook: targets, and the releases with each verdict and its reason."""
    lines = ["| hook | where | bound by default | upstreamed |", "|---|---|---|---|"]
    for hook in HOOKS:
        lines += _rows(adapter, hook)
    return "\n".join(lines) + "\n"


def _rows(adapter: Adapter, hook: str) -> Iterator[str]:
    found = alike(adapter, hook)
    notes = [_notes(bindings) for bindings in found.values()]
    # A note of every row of a hook is printed once, next to its name.
    shared = [note for note in notes[0] if all(note in of_row for of_row in notes)] if len(notes) > 1 else []
    name = "<br>".join([f"[`{hook}`](hooks.md#{hook})", *shared])
    for verdicts, bindings in found.items():
        where = "<br>".join([_places(bindings), *(note for note in _notes(bindings) if note not in shared)])
        yield f"| {name} | {where} | {_releases(verdicts, *BOUND_BY_DEFAULT)} | {_releases(verdicts, 'upstreamed')} |"
        name = ""


def _notes(bindings: Sequence[Binding]) -> list[str]:
    return list(dict.fromkeys(binding.note for binding in bindings if binding.note))


def _places(bindings: Sequence[Binding]) -> str:
    targets = [target.partition(":")[2] for binding in bindings for target in binding.targets]
    if len(bindings) <= MOST_NAMED:
        return ", ".join(f"`{target}`" for target in targets)
    by_name: dict[str, list[str]] = {}
    for target in targets:
        by_name.setdefault(target.rpartition(".")[2], []).append(target)
    return ", ".join(f"`{alone[0]}`" if len(alone) == 1 else f"`{name}` of {len(alone)} classes" for name, alone in by_name.items())


def _releases(verdicts: Sequence[Stretch], *wanted: Status) -> str:
    """Return the releases with one of the verdicts, with their reasons; the verdict is named where there may be several."""
    texts = [
        f"{stretch.releases}{f' {stretch.verdict}' if len(wanted) > 1 else stretch.said.removeprefix(stretch.verdict)}"
        f"{f': {stretch.why}' if stretch.why else ''}"
        for stretch in verdicts
        if stretch.verdict in wanted
    ]
    return "<br>".join(texts)
