"""The table of hooks, from the contracts, the plugins, the adapters' forms and their recorded releases.

A verdict for a recorded release is the one that `syncfree doctor` prints when that release is installed unmodified: both call
`judge_records`, doctor with the functions of the installed files, this page with the records of the release.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, product

from packaging.version import Version

from syncfree._entry_points import ORIGIN, Point
from syncfree._form_ranges import covering, form_ranges
from syncfree._hook import PROJECT, Hook
from syncfree._installed_torch import holds_with
from syncfree._judge import judge_records
from syncfree._own_entry_points import PLUGINS
from syncfree._plugins import Plugins
from syncfree.adapters import diffusers, sglang, sglang_srt, vllm, vllm_omni
from syncfree.adapting import BOUND_BY_DEFAULT, Adapter, Binding
from syncfree.audit.simulated._support import TESTED
from syncfree.fingerprints._releases import Releases, load_releases
from syncfree.hooks import HOOKS

NAMES = {"vllm": "vLLM", "sglang-srt": "SGLang LLM", "sglang": "SGLang", "diffusers": "diffusers", "vllm-omni": "vLLM-Omni"}
ADAPTERS = (vllm.ADAPTER, sglang_srt.ADAPTER, sglang.ADAPTER, diffusers.ADAPTER, vllm_omni.ADAPTER)

HEAD = """# Hooks

Written by `python -m docs` (`make docs`); do not edit. Every verdict follows from recorded code: the functions of each release in
`releases.json` beside the adapter, and the form of the adapter that covers it.

* **stalls**: this release makes the host wait for the GPU here. An exact implementation is bound by default.
* **repeats work**: it does not wait, but does work that the implementations save. Bound by default, too.
* **upstreamed**: the release has the change. Bound only when you name an implementation; *stays upstream's* where it
  cannot be replaced.
* **absent**: the release does not have the function.
* **unknown**: it has the function, but no form covers it, or none fits its code. Refused, unless
  `SYNCFREE_ALLOW_UNKNOWN` names the hook and the parameters are known.

A release that is not in the list is `unknown`, unless it lies in the range of a form and its code is the recorded one,
or its code is that of a release that has the fix. Where a reason ends with releases of torch, the installed torch
decides between that row and the next. `syncfree doctor` shows the verdicts for what is installed;
[refusals](refusals.md) explains why nothing is guessed.

| framework | recorded releases |
|---|---|
"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive recorded releases with one verdict, for one reason."""

    first: str
    last: str
    verdict: str
    why: str
    replaceable: bool

    @property
    def releases(self) -> str:
        return self.first if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def said(self) -> str:
        """The verdict, with a remark if the function cannot be replaced."""
        kept = self.verdict == "upstreamed" and not self.replaceable
        return f"{self.verdict}, stays upstream's" if kept else self.verdict


def page() -> str:
    """Return the page ``docs/hooks.md``."""
    parts = [HEAD]
    for adapter in ADAPTERS:
        names = load_releases(adapter.home).names
        parts.append(f"| {NAMES[adapter.framework]} | {', '.join(names)} |\n")
    parts += [_section(hook, plugins()) for hook in HOOKS.values()]
    return "".join(parts)


def short_table() -> str:
    """Return the table of the README: a row for each hook, with all of its bindings in a framework combined."""
    lines = ["| hook | what it does | bound by default in | bound when named in |", "|---|---|---|---|"]
    for hook in HOOKS.values():
        by_default, when_named = [], []
        for adapter in ADAPTERS:
            defaults, upstreamed = _bound_somewhere(adapter, hook.name)
            by_default += [f"{NAMES[adapter.framework]} {text}" for text in defaults]
            when_named += [f"{NAMES[adapter.framework]} {text}" for text in upstreamed]
        link = f"[`{hook.name}`](docs/hooks.md#{hook.name})"
        lines.append(f"| {link} | {hook.summary} | {', '.join(by_default)} | {', '.join(when_named)} |")
    return "\n".join(lines) + "\n"


def plugins() -> Plugins:
    """Return the plugins of this distribution only, whatever else is installed."""
    found = Plugins(HOOKS)
    for name, path in PLUGINS.items():
        found.register(Point(PROJECT, name, path, ORIGIN, ours=True).load(), name)
    return found


def stretches(adapter: Adapter, binding: Binding, recorded: Releases) -> list[Stretch]:
    """Return the verdicts on a binding over the recorded releases, in order; with each torch that makes a difference."""
    found: dict[Stretch, None] = {}
    for torch in torches(binding):
        judged = [(name, *verdict(adapter, binding, name, recorded, torch)) for name in recorded.names]
        for (of_group, why, replaceable), group in groupby(judged, key=lambda row: row[1:]):
            names = [name for name, *_ in group]
            found[Stretch(names[0], names[-1], of_group, why, replaceable)] = None
    return sorted(found, key=lambda stretch: recorded.names.index(stretch.first))


def torches(binding: Binding) -> list[Version]:
    """Return a release of torch for each set of the binding's forms that hold together, oldest first."""
    tested = map(Version, TESTED)
    return list({tuple(holds_with(form.torch, torch) for form in binding.forms): torch for torch in tested}.values())


def verdict(adapter: Adapter, binding: Binding, release: str, recorded: Releases, torch: Version) -> tuple[str, str, bool]:
    """Return the verdict on a recorded release, its reason, and whether a replacement is bound without an override."""
    version = Version(release)
    found = {target: recorded.record(target, release) for target in (*binding.targets, *binding.depends)}
    judged = judge_records(adapter, binding, version, found, recorded, torch)
    # These reasons name the installed release in doctor; a row of the page covers several releases.
    if judged.verdict == "absent":
        return "absent", "", False
    if judged.verdict == "unknown":
        covered = covering(form_ranges(adapter, binding, recorded), version) is not None
        return "unknown", judged.reason if covered else "no form of the adapter covers it", False
    return judged.verdict, judged.reason, judged.form is not None and judged.form.compose is not None


def _section(hook: Hook, found: Plugins) -> str:
    exact = "equal bit for bit" if hook.tolerance.rtol == hook.tolerance.atol == 0 else "close"
    lockstep = " A lockstep hook: all ranks switch together." if hook.lockstep else ""
    lines = [
        f"\n## `{hook.name}`\n",
        f"{hook.summary[0].upper()}{hook.summary[1:]}. `{hook.variable}=<plugin>` chooses.{lockstep}",
        f"Contract: [registry/hooks/{hook.name}.py](../registry/hooks/{hook.name}.py).",
        f"Results are {exact} to the reference ({hook.tolerance.reason}).\n",
    ]
    for implementation in found.candidates(hook.name):
        declared = implementation.declaration
        words = ["exact" if declared.exact else "not exact", f"host syncs per call: {declared.host_syncs}"]
        words += [f"needs {', '.join(declared.needs)}"] if declared.needs else []
        words += ["lockstep"] if implementation.lockstep else []
        words += [f"preference {declared.preference}"] if declared.preference else []
        lines.append(f"* `{implementation.plugin}` ({'; '.join(words)})")
    lines += ["", "| where | releases | verdict | why |", "|---|---|---|---|"]
    for adapter in ADAPTERS:
        lines += _rows(adapter, hook.name)
    return "\n".join(lines) + "\n"


def alike(adapter: Adapter, hook: str) -> dict[tuple[Stretch, ...], list[Binding]]:
    """Return a framework's bindings of a hook, grouped by verdicts and reasons."""
    recorded = load_releases(adapter.home)
    found: dict[tuple[Stretch, ...], list[Binding]] = {}
    for binding in _bindings(adapter, hook):
        found.setdefault(tuple(stretches(adapter, binding, recorded)), []).append(binding)
    return found


def _rows(adapter: Adapter, hook: str) -> Iterator[str]:
    """Yield the rows of one framework; bindings with equal verdicts share them."""
    for verdicts, bindings in alike(adapter, hook).items():
        targets = ", ".join(f"`{target.split(':')[1]}`" for binding in bindings for target in binding.targets)
        notes = dict.fromkeys(binding.note for binding in bindings if binding.note)
        where = "; ".join([f"{NAMES[adapter.framework]}: {targets}", *notes])
        for stretch in verdicts:
            yield f"| {where} | {stretch.releases} | {stretch.said} | {stretch.why} |"
            where = ""


def _bound_somewhere(adapter: Adapter, hook: str) -> tuple[list[str], list[str]]:
    """Return the releases with a binding of a hook by default, and those with one only when an implementation is named."""
    recorded = load_releases(adapter.home)
    verdicts: dict[str, set[str]] = {name: set() for name in recorded.names}
    for binding in _bindings(adapter, hook):
        for name, torch in product(recorded.names, torches(binding)):
            judged, _, replaceable = verdict(adapter, binding, name, recorded, torch)
            if replaceable:
                verdicts[name].add(judged)
    by_default = [name for name in recorded.names if verdicts[name] & set(BOUND_BY_DEFAULT)]
    upstreamed = [name for name in recorded.names if verdicts[name] == {"upstreamed"}]
    return _ranges(by_default, recorded.names), _ranges(upstreamed, recorded.names)


def _ranges(some: Iterable[str], names: tuple[str, ...]) -> list[str]:
    wanted = set(some)
    runs = [list(group) for inside, group in groupby(names, key=wanted.__contains__) if inside]
    return [run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]


def _bindings(adapter: Adapter, hook: str) -> list[Binding]:
    return [binding for binding in adapter.bindings if binding.hook == hook]
