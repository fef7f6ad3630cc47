"""The bindings of a process and the choices for them, as they are now."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from . import _patch
from ._binding_state import BindingState
from ._catalogue import Catalogue
from ._choices import Choices
from ._frameworks import Installed
from ._instrumentation import Instrumentation
from ._instruments import Instrument
from ._layers import Layers
from ._plugins import Implementation
from ._selection import Choice
from .adapting import Adapter


class Bindings:
    """The state that a change of bindings reads and assigns; it is assigned under the locks of the runtime only.

    Attributes:
        states: the bindings of all frameworks loaded so far; those of restored ones stay in the plan until loaded again.
        loaded: the adapters of the loaded frameworks, by the framework's name.
        layers: the program's choices.
        catalogue: the plugins and the user's choices.
        instrumentation: what is around the functions of each hook.
    """

    def __init__(self, catalogue: Catalogue, instrumentation: Instrumentation) -> None:
        self.catalogue = catalogue
        self.instrumentation = instrumentation
        self.states: tuple[BindingState, ...] = ()
        self.loaded: dict[str, Adapter] = {}
        self.layers = Layers()
        self._patched_over: list[_patch.Patch] = []

    def add(self, adapter: Adapter, states: Sequence[BindingState]) -> None:
        """Add the bindings of a framework that is being loaded, instead of those of an earlier load."""
        kept = [state for state in self.states if state.adapter.framework != adapter.framework]
        self.states = (*kept, *states)
        self.loaded = {**self.loaded, adapter.framework: adapter}

    def restore(self) -> list[str]:
        """Restore every original and forget the program's choices; return what could not be restored."""
        patches = [patch for state in self.states if state.status == "bound" for patch in state.patches]
        _patch.take_out(self._patched_over)  # the patch over these may be gone by now; reported at the earlier restore
        left = _patch.take_out(patches)
        self._patched_over = [patch for patch in (*self._patched_over, *patches) if not patch.is_out()]
        for state in self.states:
            state.restored()
        self.loaded = {}
        self.layers = Layers()
        self.instrumentation.verified = {}
        self.instrumentation.timed = frozenset()
        return left

    def patch(self, target: str) -> _patch.Patch:
        """Return the patch of a bound target.

        Raises:
            LookupError: the target is not bound.
        """
        for state in self.states:
            for patch in state.patches:
                if str(patch.target) == target and state.status == "bound":
                    return patch
        raise LookupError(f"nothing is bound at {target!r}")

    def judged(self, adapter: Adapter, installed: Installed | None) -> list[BindingState]:
        """Judge the bindings of an adapter against what is installed; they are not added."""
        selection = self.catalogue.selection()
        return [BindingState.judge(adapter, installed, binding, selection) for binding in adapter.bindings]

    def of_loaded(self, hooks: Collection[str] | None = None) -> list[BindingState]:
        """Return the bindings of loaded frameworks, of these hooks (None: of all)."""
        return [
            state
            for state in self.states
            if state.adapter.framework in self.loaded and (hooks is None or state.binding.hook in hooks)
        ]

    def choices(self) -> Choices:
        """Return the choices that are in effect."""
        return Choices(self.catalogue.discovered(), self.layers)

    def choice(self, state: BindingState) -> tuple[Choice, Implementation | None]:
        """Return the choice for a binding, and the implementation to use (None: upstream)."""
        return self.choices().at(state)

    def instruments(self, hook: str) -> Sequence[Instrument]:
        """Return the instruments of a hook."""
        around = self.instrumentation
        return around.of(hook, self.catalogue.selection(), around.verified, around.timed)
