"""Which implementation is used at a place, and why a choice cannot be met there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ._binding_state import BindingState
from ._discovery import Discovered
from ._layers import Layers
from ._plugins import Implementation
from ._process_group import rank_count
from ._select import DEFAULT, UPSTREAM, Choice


@dataclass(frozen=True, slots=True)
class Choices:
    """The user's selection, the plugins, and the program's choices on top."""

    found: Discovered
    layers: Layers

    def of_hook(self, hook: str) -> Choice:
        """What is chosen for a hook: by the program, or else by environment, file and default."""
        choice = self.layers.choice(hook)
        return self.found.selection.choice(hook) if choice is None or choice.name == DEFAULT else choice

    def at(self, state: BindingState) -> tuple[Choice, Implementation | None]:
        """What is chosen at a place: the choice, and the implementation to use (None: upstream)."""
        hook = state.binding.hook
        choice = self.of_hook(hook)
        if choice.name == UPSTREAM:
            return choice, None
        if choice.explicit:
            return choice, self.found.plugins.implementations[hook][choice.name] if state.bindable else None
        if state.stalls and state.bindable:
            for candidate in self.found.plugins.candidates(hook):
                if candidate.declaration.exact and not candidate.missing():
                    return choice, candidate
        return choice, None

    def problems(self, states: Iterable[BindingState]) -> list[str]:
        """Why explicit choices cannot be met at these places; empty when they can."""
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
            others = [other.plugin for other in self.found.plugins.candidates(hook) if not other.missing()]
            problems.append(
                f"{prefix}it needs {', '.join(missing)}, which this process does not have; "
                f"provide that, or choose {' or '.join([*others, UPSTREAM])}"
            )
        refused = [state for state in group if state.refused]
        problems += [f"{prefix}{state.refusal}" for state in refused]
        if not refused and not any(state.bindable for state in group):
            verdicts = (f"{state.installed}: {state.judgement.verdict}, {state.judgement.reason}" for state in group)
            problems.append(prefix + "; ".join(verdicts))
        return problems


@dataclass(frozen=True, slots=True)
class Switch:
    """What hooks in lockstep change at these places from one set of choices to another."""

    states: tuple[BindingState, ...]
    now: Choices
    then: Choices

    def alone(self) -> list[str]:
        """Why one rank must not make this change by itself."""
        hooks = sorted({state.binding.hook for state in self.states if self._in_lockstep(state, unchanged=False)})
        if not hooks or rank_count() == 1:
            return []
        message = (
            f"{', '.join(hooks)} must switch on all {rank_count()} ranks at the same call: "
            "call syncfree.use(..., all_ranks=True) on every rank, at the same point"
        )
        return [message]

    def to_agree_on(self) -> dict[str, str]:
        """What the other ranks must choose, too: the program's choices for the hooks in lockstep, now or then."""
        hooks = {state.binding.hook for state in self.states if self._in_lockstep(state, unchanged=True)}
        return {hook: choice.name if (choice := self.then.layers.choice(hook)) else DEFAULT for hook in hooks}

    def _in_lockstep(self, state: BindingState, *, unchanged: bool) -> bool:
        now, then = self.now.at(state)[1], self.then.at(state)[1]
        differ = (now and now.plugin) != (then and then.plugin)
        return (unchanged or differ) and any(i is not None and i.lockstep for i in (now, then))
