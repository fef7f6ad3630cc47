"""The choice for a binding, the implementation that it stands for, and the reasons why it cannot be met."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ._binding_state import BindingState
from ._discovery import Discovered
from ._layers import Layers
from ._plugins import Implementation
from ._process_group import rank_count
from ._selection import DEFAULT, UPSTREAM, Choice


@dataclass(frozen=True, slots=True)
class Choices:
    """The user's selection, the plugins, and the program's choices on top."""

    found: Discovered
    layers: Layers

    def of_hook(self, hook: str) -> Choice:
        """Return the choice for a hook: the program's, or else that of the environment, the file or the default."""
        choice = self.layers.choice(hook)
        return self.found.selection.choice(hook) if choice is None or choice.name == DEFAULT else choice

    def at(self, state: BindingState) -> tuple[Choice, Implementation | None]:
        """Return the choice for a binding, and the implementation to use (None: upstream)."""
        hook = state.binding.hook
        choice = self.of_hook(hook)
        if choice.name == UPSTREAM:
            return choice, None
        if choice.explicit:
            return choice, self.found.plugins.implementations[hook][choice.name] if state.bindable else None
        if state.bound_by_default and state.bindable:
            return choice, self.found.plugins.default(hook)
        return choice, None

    def problems(self, states: Iterable[BindingState]) -> list[str]:
        """Return why explicit choices cannot be met for these bindings; empty when they can."""
        by_hook: dict[tuple[str, str], list[BindingState]] = {}
        for state in states:
            if state.installed is not None:
                by_hook.setdefault((state.adapter.framework, state.binding.hook), []).append(state)
        return [problem for (_, hook), group in by_hook.items() for problem in self._problems(hook, group)]

    def _problems(self, hook: str, group: list[BindingState]) -> list[str]:
        choice = self.of_hook(hook)
        if not choice.explicit or choice.name == UPSTREAM:
            return []
        prefix = f"{choice.source} asks for {choice.name!r} of {hook}, which cannot be met: "
        problems = []
        missing = self.found.plugins.implementations[hook][choice.name].missing()
        if missing:
            usable = [candidate.plugin for candidate in self.found.plugins.candidates(hook) if not candidate.missing()]
            problems.append(
                f"{prefix}it needs {', '.join(missing)}, which this process does not have; "
                f"provide that, or choose {' or '.join([*usable, UPSTREAM])}"
            )
        refused = [state for state in group if state.refused]
        problems += [f"{prefix}{state.refusal}" for state in refused]
        if not refused and not any(state.bindable for state in group):
            verdicts = (f"{state.installed}: {state.judgement.verdict}, {state.judgement.reason}" for state in group)
            problems.append(prefix + "; ".join(verdicts))
        return problems


@dataclass(frozen=True, slots=True)
class Switch:
    """The change of these bindings from one set of choices to another, as far as hooks in lockstep are concerned."""

    states: tuple[BindingState, ...]
    now: Choices
    then: Choices

    def alone(self) -> list[str]:
        """Return why one rank must not make this change by itself."""
        hooks = sorted({state.binding.hook for state in self.changed_in_lockstep()})
        if not hooks or rank_count() == 1:
            return []
        message = (
            f"{', '.join(hooks)} must switch on all {rank_count()} ranks at the same call: "
            "call syncfree.use(..., all_ranks=True) on every rank, at the same point"
        )
        return [message]

    def to_agree_on(self) -> dict[str, str]:
        """Return the choices that all ranks must share: the program's, for hooks that are in lockstep now or then."""
        hooks = {state.binding.hook for state in self.states if self._in_lockstep(state, unchanged=True)}
        return {hook: choice.name if (choice := self.then.layers.choice(hook)) else DEFAULT for hook in hooks}

    def changed_in_lockstep(self) -> list[BindingState]:
        """Return the bindings that must change on all ranks at the same call."""
        return [state for state in self.states if self._in_lockstep(state, unchanged=False)]

    def _in_lockstep(self, state: BindingState, *, unchanged: bool) -> bool:
        now, then = self.now.at(state)[1], self.then.at(state)[1]
        differ = (now and now.plugin) != (then and then.plugin)
        return (unchanged or differ) and any(i is not None and i.lockstep for i in (now, then))
