"""A binding in this process: its judgement, its state and its patches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from . import _patch
from ._displacement import Displaced
from ._errors import BindingError, SyncfreeError, describe_error
from ._frameworks import Installed
from ._instruments import Instrument, Place, Probe
from ._judge import Judgement, judge
from ._log import Log, log_of
from ._modules import fully_imported, is_stand_in
from ._plan import Entry, State
from ._plugins import Implementation
from ._selection import UPSTREAM, Choice, Selection
from ._target import parse
from ._variables import ALLOW_UNKNOWN
from .adapting import BOUND_BY_DEFAULT, Adapter, Binding
from .fingerprints._releases import ReleaseDataError, load_releases
from .hooks import HOOKS


@dataclass
class BindingState:
    """One binding of one adapter in this process."""

    adapter: Adapter
    installed: Installed | None
    binding: Binding
    judgement: Judgement
    allowed_unknown: bool
    status: State = "not bound"
    trouble: str | None = None
    patches: list[_patch.Patch] = field(default_factory=list)

    @classmethod
    def judge(cls, adapter: Adapter, installed: Installed | None, binding: Binding, selection: Selection) -> BindingState:
        """Judge a binding against what is installed."""
        if installed is None:
            judgement = Judgement("absent", f"{adapter.framework} is not installed")
        else:
            try:
                judgement = judge(binding, installed, load_releases(adapter.home))
            except ReleaseDataError as error:
                judgement = Judgement("unknown", str(error))
            except Exception as error:  # noqa: BLE001 - one binding must not stop the judging of the others; doctor shows it
                judgement = Judgement("unknown", f"it could not be judged: {describe_error(error)}")
        state = cls(adapter, installed, binding, judgement, binding.hook in selection.allow_unknown)
        if state.refused:
            state.refuse(state.refusal)
        return state

    @property
    def log(self) -> Log:
        """The logger that reaches the framework's log."""
        return log_of(self.adapter.logger)

    @property
    def bound_by_default(self) -> bool:
        """The installed form stalls or repeats work."""
        return self.judgement.form is not None and self.judgement.form.status in BOUND_BY_DEFAULT

    @property
    def refused(self) -> bool:
        """Not seen before, and the user did not allow that."""
        return self.judgement.verdict == "unknown" and not self.allowed_unknown

    @property
    def bindable(self) -> bool:
        """There is a replacement for what is installed, and it may be bound."""
        form = self.judgement.form
        return form is not None and form.compose is not None and not self.refused

    @property
    def open(self) -> bool:
        """Not bound, and may still be bound: a target that other code replaced may be restored later."""
        return self.status in ("not bound", "waiting") or (self.status == "refused" and not self.refused)

    @property
    def refusal(self) -> str:
        """The reason of a refusal with the next step."""
        override = f"; set {ALLOW_UNKNOWN}={self.binding.hook} to bind it anyway" if self.judgement.form else ""
        return f"{self.binding.label}: {self.judgement.reason}{override}"

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that hold the targets."""
        return tuple(dict.fromkeys(parse(target).module for target in self.binding.targets))

    def modules_to_import(self, executed: Collection[str] = ()) -> list[str]:
        """Return the modules of the targets that have not been executed, other than those in ``executed``."""
        return [
            module
            for module in self.modules
            if not is_executed(module) and not (module in executed and module in sys.modules)
        ]

    def patches_for(self, implementation: Implementation, instruments: Sequence[Instrument] = ()) -> list[_patch.Patch]:
        """Make slots for all targets, switched to an implementation; nothing is assigned to a target yet.

        Raises:
            BindingError: a target is not the expected function, or the adapter's replacement does not fit it.
            PluginError: the implementation cannot be imported.
        """
        form = self.judgement.form
        assert form is not None
        with self._attributed_to_adapter():
            patches = _patch.make_patches(self.binding, form)
            for patch in patches:
                patch.slot.prepare(implementation, self._probes(patch, instruments))()
        return patches

    def put(self, patches: list[_patch.Patch]) -> None:
        """Assign the bound functions to all targets; cannot fail halfway."""
        _patch.put(patches)
        self.patches = patches
        self.status = "bound"
        self.trouble = None

    def switches(
        self, implementation: Implementation | None, instruments: Sequence[Instrument] = ()
    ) -> list[Callable[[], None]]:
        """Return functions that switch the bound targets to an implementation.

        Raises:
            BindingError: the adapter's replacement does not fit a target.
            PluginError: the implementation cannot be imported.
        """
        with self._attributed_to_adapter():
            return [patch.slot.prepare(implementation, self._probes(patch, instruments)) for patch in self.patches]

    def _probes(self, patch: _patch.Patch, instruments: Sequence[Instrument]) -> list[Probe]:
        place = Place(HOOKS[self.binding.hook], str(patch.target), patch.slot.upstream, self.binding.repeatable)
        return [instrument.at(place) for instrument in instruments]

    @contextmanager
    def _attributed_to_adapter(self) -> Iterator[None]:
        try:
            yield
        except (KeyboardInterrupt, SyncfreeError):
            raise
        except BaseException as error:  # raised by the adapter's compose function: its author must fix it
            raise BindingError(f"{self.binding.label}: the adapter failed: {describe_error(error)}") from error

    def refuse(self, reason: str) -> None:
        """Set the state to ``refused``, with the reason."""
        self.status = "refused"
        self.trouble = reason

    def restored(self) -> None:
        """Set the state to ``restored`` if the binding was made or pending."""
        if self.status in ("bound", "waiting"):
            self.status = "restored"

    def displaced(self) -> Displaced | None:
        """Return how the targets changed since they were bound, None if they did not; reads source files, and logs changes."""
        return _patch.observe(self.patches, self.log) if self.status == "bound" else None

    def entry(self, choice: Choice, implementation: Implementation | None, change: Displaced | None = None) -> Entry:
        """Return this binding's entry in the plan; ``change`` is the result of `displaced`."""
        hook = HOOKS[self.binding.hook]
        state: State = self.status if change is None else change.state
        active = state in ("bound", "waiting", "replaced") and implementation is not None
        name = implementation.plugin if active and implementation is not None else UPSTREAM
        return Entry(
            hook=hook.name,
            framework=self.adapter.framework,
            version=str(self.installed.version) if self.installed else None,
            targets=self.binding.targets,
            verdict=self.judgement.verdict,
            reason=change.why if change is not None else self.trouble or self.judgement.reason,
            choice=name,
            source=choice.source,
            state=state,
            lockstep=hook.lockstep or (active and implementation is not None and implementation.lockstep),
            note=self.binding.note,
            counts={str(patch.target): patch.slot.counts() for patch in self.patches},
        )


def is_executed(name: str) -> bool:
    """Return whether a module's import has finished; a stand-in in ``sys.modules``, without spec or file, does not count."""
    module = fully_imported(name)
    return module is not None and not is_stand_in(module)
