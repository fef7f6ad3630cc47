"""The consequences of a release that was not recorded for an adapter: each binding's functions, and its verdict once it is recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace

from packaging.version import Version

from .._installed_torch import torch_version
from .._judge import judge_records
from ..adapting import Adapter, Binding
from ..fingerprints._drift import History, Kind, trace
from ..fingerprints._recorder import observe, targets_of
from ..fingerprints._releases import Releases
from ..fingerprints._wheels import Sources


@dataclass(frozen=True, slots=True)
class Finding:
    """One binding in a new release.

    Attributes:
        binding: the binding.
        before: its verdict in the newest recorded release.
        verdict: its verdict in the new one, once that is recorded.
        reason: the verdict's.
        histories: what became of its targets and of what it depends on.
    """

    binding: Binding
    before: str
    verdict: str
    reason: str
    histories: tuple[History, ...]

    @property
    def kind(self) -> Kind:
        """The gravest of its functions' histories."""
        kinds = {history.kind for history in self.histories}
        order: tuple[Kind, ...] = ("gone", "moved and changed", "moved", "changed")
        return next((kind for kind in order if kind in kinds), "same")


def read(adapter: Adapter, recorded: Releases, known: Sources, new: Sources) -> list[Finding]:
    """Compare a release with the newest recorded one, for each binding of an adapter.

    Args:
        adapter: the adapter.
        recorded: its releases.
        known: the sources of the newest recorded release before the new one.
        new: those of the new release.

    Raises:
        SourceUnreadable: this Python cannot parse a source file of a release.
        SelectionError: sources cannot be read.
    """
    targets = targets_of(adapter)
    found = observe(new, targets)
    seen = {target: dict(recorded.seen.get(target, {})) for target in targets}
    for target in targets:
        seen[target].pop(new.release, None)
        if target in found:
            seen[target][new.release] = found[target]
    names = tuple(sorted({*recorded.names, new.release}, key=Version))
    extended = replace(recorded, names=names, seen=seen)
    histories = {history.target: history for history in trace(targets, (known, new))}
    return [
        Finding(
            binding,
            _verdict(adapter, binding, known.release, recorded)[0],
            *_verdict(adapter, binding, new.release, extended),
            # In neither release: a target that an older release had.
            tuple(histories[name] for name in (*binding.targets, *binding.depends) if histories[name].events or histories[name].last),
        )
        for binding in adapter.bindings
    ]


def _verdict(adapter: Adapter, binding: Binding, release: str, releases: Releases) -> tuple[str, str]:
    records = {target: releases.record(target, release) for target in (*binding.targets, *binding.depends)}
    judged = judge_records(adapter, binding, Version(release), records, releases, torch_version())
    return judged.verdict, judged.reason
