"""The registry of this process: loads adapters, judges, binds, toggles, restores and reports.

Everything here runs when a framework is loaded or a choice changes, under one lock; nothing here runs per call.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType

from . import _bind
from ._adapters import Adapters
from ._attach import Attached, attach
from ._errors import BindingError, PluginError, SelectionError, nearest
from ._frameworks import Installed, find_installed
from ._imports import PostImportFinder
from ._lockstep import agree
from ._place import Place, is_executed
from ._plan import Plan
from ._plugins import Implementation, Plugins, entry_points
from ._rank import current_rank, rank_count
from ._select import (
    DEFAULT,
    UPSTREAM,
    Choice,
    Selection,
    check_plugin_names,
    choice_problem,
    is_off,
    raise_all,
    read_selection,
)
from .adapting import Adapter, Attachment
from .hooks import HOOKS

PROGRAM = "the program"


class Runtime:
    """One per process; `syncfree`'s functions are its methods."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._finder = PostImportFinder()
        self._program: dict[str, Choice] = {}
        self._places: list[Place] = []
        self._attached: list[Attached] = []
        self._loaded: dict[str, Adapter] = {}
        self._registered: list[tuple[object, str]] = []
        self._selection: Selection | None = None
        self._plugins: Plugins | None = None
        self._plugin_names: set[str] = set()
        self._adapters: Adapters | None = None
        os.register_at_fork(after_in_child=self._after_fork)

    # What is there

    def adapters(self) -> Adapters:
        """The adapters, discovered on first use."""
        with self._lock:
            if self._adapters is None:
                self._adapters = Adapters()
            return self._adapters

    def plugins(self) -> Plugins:
        """The plugins that the user's selection permits, discovered and validated on first use.

        Raises:
            SelectionError: the environment or the configuration file names something that does not exist.
        """
        with self._lock:
            if self._plugins is None:
                selection = read_selection(os.environ, HOOKS)
                plugins = Plugins(HOOKS, selection.allowed, selection.denied)
                for plugin, name in self._registered:
                    if plugins.permits(name):
                        plugins.register(plugin, name)
                plugins.discover()
                self._plugin_names = {name for name, _, _ in entry_points()} | {name for _, name in self._registered}
                check_plugin_names(selection, self._plugin_names, plugins.implementations)
                self._selection, self._plugins = selection, plugins
            return self._plugins

    def selection(self) -> Selection:
        """The user's choices, read on first use."""
        self.plugins()
        assert self._selection is not None
        return self._selection

    def register(self, plugin: object, name: str) -> None:
        """Take in a plugin that the program brings.

        Raises:
            PluginError: see `Plugins.register`.
            SelectionError: ``SYNCFREE_PLUGINS`` keeps a plugin of this name out.
        """
        with self._lock:
            if self._plugins is not None:
                if not self._plugins.permits(name):
                    raise SelectionError(f"syncfree: SYNCFREE_PLUGINS keeps plugin {name!r} out")
                self._plugins.register(plugin, name)
            else:
                taken = [other for _, other in self._registered] + [other for other, _, _ in entry_points()]
                if name in taken:
                    raise PluginError(f"plugin {name!r}: the name is taken. Taken: {', '.join(sorted(taken))}")
                Plugins(HOOKS).register(plugin, name)  # validate now, where the caller can see it
            self._registered.append((plugin, name))
            self._plugin_names.add(name)

    # Loading and binding

    def load(self, framework: str) -> Plan:
        """Judge and bind one framework's bindings: now where their modules are loaded, otherwise on import. Idempotent.

        Raises:
            SelectionError: the framework is not installed or has no adapter, or an explicit choice cannot be met. Nothing
                is bound then.
        """
        with self._lock:
            if is_off(os.environ) or not self.selection().enabled:
                return self.plan()
            adapter = self.adapters().get(framework)
            installed = find_installed(adapter)  # looking for the package wakes syncfree.pth, which may load it right here
            if framework in self._loaded:
                return self.plan()
            if installed is None:
                raise SelectionError(f"syncfree: {framework} is not installed")
            places = self._judged(adapter, installed)
            raise_all(self._problems(places, self._program))
            self._loaded[framework] = adapter
            self._places += places
            self._settle(places)
            for attachment in adapter.attachments:
                self._attach(attachment, adapter)
            return self.plan()

    def survey(self) -> list[Place]:
        """Judge the bindings of every adapter without binding anything."""
        with self._lock:
            found = {adapter.framework: find_installed(adapter) for adapter in self.adapters()}
            others = [adapter for adapter in self.adapters() if adapter.framework not in self._loaded]
            judged = [place for a in others for place in self._judged(a, found[a.framework])]
            return [*self._places, *judged]

    def problems(self, places: Iterable[Place]) -> list[str]:
        """Why explicit choices cannot be met at these places; empty when they can."""
        return self._problems(places, self._program)

    def choice(self, place: Place, program: Mapping[str, Choice] | None = None) -> tuple[Choice, Implementation | None]:
        """What is chosen at a place: the choice, and the implementation to use (None: upstream)."""
        hook = place.binding.hook
        choice = (self._program if program is None else program).get(hook) or self.selection().choice(hook)
        if choice.name == UPSTREAM:
            return choice, None
        if choice.explicit:
            return choice, self.plugins().implementations[hook][choice.name] if place.bindable else None
        if place.stalls and place.bindable:
            for candidate in self.plugins().candidates(hook):
                if candidate.declaration.exact and not candidate.missing():
                    return choice, candidate
        return choice, None

    def use(self, choices: Mapping[str, str], all_ranks: bool) -> dict[str, Choice]:
        """Switch hooks to other implementations; return the program's choices as they were before.

        Raises:
            SelectionError: a wrong name, a choice that cannot be met, or a lockstep hook that the ranks do not switch
                together. Nothing is switched then.
        """
        with self._lock:
            before = dict(self._program)
            after = dict(before)
            problems = []
            for hook, name in choices.items():
                if hook not in HOOKS:
                    problems.append(f"unknown hook {hook!r}{nearest(hook, HOOKS)}")
                    continue
                available = self.plugins().implementations.get(hook, {})
                problem = choice_problem(hook, name, available, self._plugin_names)
                if problem:
                    problems.append(problem)
                elif name == DEFAULT:
                    after.pop(hook, None)
                else:
                    after[hook] = Choice(name, PROGRAM)
            self._switch(after, all_ranks, frozenset(choices), problems)
            return before

    def back_to(self, program: dict[str, Choice], hooks: frozenset[str], all_ranks: bool) -> None:
        """Undo one `use` of these hooks."""
        with self._lock:
            after = {hook: choice for hook, choice in self._program.items() if hook not in hooks}
            after |= {hook: choice for hook, choice in program.items() if hook in hooks}
            self._switch(after, all_ranks, hooks)

    def restore(self) -> list[str]:
        """Put every original back and forget the program's choices; return what could not be restored."""
        with self._lock:
            self._finder.stop()
            left = _bind.take_out(site for place in self._places if place.state == "bound" for site in place.sites)
            left += [message for attached in self._attached if (message := attached.take_out()) is not None]
            self._attached.clear()
            for place in self._places:
                place.restored()
            for message in left:
                logging.getLogger("syncfree").warning("syncfree: %s", message)
            self._loaded.clear()
            self._program.clear()
            return left

    def plan(self) -> Plan:
        """What this process does with each binding of the loaded frameworks."""
        with self._lock:
            if is_off(os.environ):
                return Plan(os.getpid(), False, (), (), ())
            selection = self.selection()
            entries = tuple(place.entry(*self.choice(place)) for place in self._places)
            broken = [str(left_out) for left_out in self.plugins().broken]
            broken += self.adapters().broken
            return Plan(os.getpid(), selection.enabled, tuple(self._loaded), entries, tuple(broken), current_rank())

    def is_loaded(self, framework: str) -> bool:
        """Whether `load` was done for a framework."""
        return framework in self._loaded

    def site(self, target: str) -> _bind.Site:
        """The bound site of a target.

        Raises:
            LookupError: nothing is bound there.
        """
        for place in self._places:
            for site in place.sites:
                if site.target == target and place.state == "bound":
                    return site
        raise LookupError(f"nothing is bound at {target!r}")

    # How

    def _judged(self, adapter: Adapter, installed: Installed | None) -> list[Place]:
        places = [Place.judge(adapter, installed, binding, self.selection()) for binding in adapter.bindings]
        self._places = [place for place in self._places if place.adapter.framework != adapter.framework]
        return places

    def _problems(self, places: Iterable[Place], program: Mapping[str, Choice]) -> list[str]:
        problems = []
        by_hook: dict[tuple[str, str], list[Place]] = {}
        for place in places:
            if place.installed is not None:
                by_hook.setdefault((place.adapter.framework, place.binding.hook), []).append(place)
        for (_, hook), group in by_hook.items():
            choice = program.get(hook) or self.selection().choice(hook)
            if not choice.explicit or choice.name == UPSTREAM:
                continue
            prefix = f"{choice.source} asks for {choice.name!r} of {hook}, which cannot be met: "
            missing = self.plugins().implementations[hook][choice.name].missing()
            if missing:
                problems.append(f"{prefix}it needs {', '.join(missing)}, which this process does not have")
            refused = [place for place in group if place.refused]
            problems += [f"{prefix}{place.refusal}" for place in refused]
            if not refused and not any(place.bindable for place in group):
                problems.append(
                    prefix + "; ".join(f"{p.installed}: {p.judgement.verdict}, {p.judgement.reason}" for p in group)
                )
        return problems

    def _settle(self, places: list[Place]) -> None:
        """Bind what is wanted and can be bound now, in one walk; watch for the modules of the rest."""
        now = []
        for place in places:
            if place.state in ("not bound", "waiting") and self.choice(place)[1] is not None:
                missing = place.modules_to_import()
                if missing:
                    self._watch(place, missing)
                else:
                    now.append(place)
        self._bind(now, None)

    def _watch(self, place: Place, modules: Iterable[str]) -> None:
        place.state = "waiting"

        def imported(module: ModuleType, modules_imported_meanwhile: frozenset[str]) -> None:
            with self._lock:
                if place.state == "waiting" and not place.modules_to_import(executed=module.__name__):
                    self._bind([place], modules_imported_meanwhile)

        for module in modules:
            self._finder.watch(module, imported)

    def _attach(self, attachment: Attachment, adapter: Adapter) -> None:
        """Attach now, or when the module has been imported; what is missing without it is a warning."""

        def imported(module: ModuleType, _: frozenset[str] = frozenset()) -> None:
            with self._lock:
                try:
                    self._attached.append(attach(attachment, module))
                except BindingError as error:
                    logging.getLogger(adapter.logger).warning("syncfree: %s", error)

        module = attachment.target.split(":")[0]
        if is_executed(module):
            imported(sys.modules[module])
        else:
            self._finder.watch(module, imported)

    def _bind(self, places: list[Place], imported: frozenset[str] | None) -> None:
        """Bind places whose modules are loaded; ``imported`` limits the walk for copies to these modules."""
        bound = []
        for place in places:
            choice, implementation = self.choice(place)
            if implementation is None:
                place.state = "not bound"
                continue
            try:
                place.bind(implementation)
            except (BindingError, PluginError) as error:
                place.refuse(str(error))
                if choice.explicit:
                    place.log.error("syncfree: %s", error)
                    raise SelectionError(f"syncfree: {choice.source}={choice.name} cannot be met: {error}") from error
                place.log.warning("syncfree: %s", error)
            else:
                bound.append(place)
        for package in {place.adapter.package for place in bound}:
            modules = set(_bind.package_modules(package))
            sites = [site for place in bound if place.adapter.package == package for site in place.sites]
            _bind.propagate(sites, modules if imported is None else modules & imported)
        for place in bound:
            place.log.debug("syncfree: bound %s (%s)", place.binding.label, self.choice(place)[0].source)

    def _switch(
        self, program: dict[str, Choice], all_ranks: bool, hooks: frozenset[str], problems: Iterable[str] = ()
    ) -> None:
        """Switch these hooks to what the program chooses, unless there are problems.

        With `all_ranks` a rank that cannot switch takes part in the agreement all the same: the others wait for it.
        """
        together = all_ranks and rank_count() > 1
        problems = list(problems)
        if is_off(os.environ) or not self.selection().enabled:
            if together:
                agree({}, ["switched off"])
            raise_all(problems)
            logging.getLogger("syncfree").warning(
                "syncfree is switched off; the choice of %s does nothing", ", ".join(sorted(hooks))
            )
            return
        places = [place for place in self._places if place.binding.hook in hooks and place.state != "restored"]
        changes = sorted({p.binding.hook for p in places if self._in_lockstep(p, program, unchanged=False)})
        if changes and rank_count() > 1 and not all_ranks:
            problems.append(
                f"{', '.join(changes)} must switch on all {rank_count()} ranks at the same call: "
                "call syncfree.use(..., all_ranks=True) on every rank, at the same point"
            )
        problems += self._problems(places, program)
        switches: list[Callable[[], None]] = []
        if not problems:
            for place in places:
                try:
                    switches += place.switches(self.choice(place, program)[1])
                except (BindingError, PluginError) as error:
                    problems.append(str(error))
        if together:
            lockstep = {p.binding.hook for p in places if self._in_lockstep(p, program, unchanged=True)}
            problems += agree({hook: program[hook].name if hook in program else DEFAULT for hook in lockstep}, problems)
        raise_all(problems)
        for switch in switches:
            switch()
        self._program = program
        self._settle(places)

    def _in_lockstep(self, place: Place, program: Mapping[str, Choice], unchanged: bool) -> bool:
        """What a place uses, or is to use, must be the same on all ranks; `unchanged`: also where the choice stays."""
        now, then = self.choice(place)[1], self.choice(place, program)[1]
        return (unchanged or now is not then) and any(i is not None and i.lockstep for i in (now, then))

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # the thread that held it may not exist in the child


RUNTIME = Runtime()
