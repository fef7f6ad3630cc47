"""The adapters of this process, from the entry point group ``syncfree.adapters``.

An entry point is named after its framework and refers to an `Adapter`. Distributions with damaged metadata are reported in
`Plugins.broken`, which reads the same files.
"""

from __future__ import annotations

from collections.abc import Iterator

from ._adapter_checks import check_adapter
from ._entry_points import find
from ._errors import LONGEST, PluginError, SelectionError, attributed_to, nearest, one_line
from .adapting import Adapter

GROUP = "syncfree.adapters"


class Adapters:
    """Adapters by framework; ``broken`` lists the installed ones that were left out, and why."""

    def __init__(self) -> None:
        self._found: dict[str, Adapter] = {}
        self._origin: dict[str, str] = {}
        self.broken: list[str] = []

    def discover(self) -> Adapters:
        """Load every adapter of the entry point group into ``self`` and return it; what cannot be loaded goes to ``broken``.

        Raises:
            KeyboardInterrupt: raised while an adapter is imported; every other exception is reported.
        """
        for point in find(GROUP).points:
            try:
                with attributed_to(f"adapter of {point.distribution}"):
                    # A test checks ours: checking them here would cost every process 10 ms.
                    self.add(point.load(), point.distribution, checked=point.ours)
            except PluginError as error:
                reason = one_line(error, 2 * LONGEST).removeprefix(f"adapter of {point.distribution}: ")
                self.broken.append(f"adapter {point.name!r} of {point.distribution}: {reason}")
        return self

    def add(self, adapter: object, origin: str = "the program", *, checked: bool = False) -> None:
        """Add an adapter; ``checked`` skips `check_adapter`.

        Raises:
            PluginError: it is not a valid `Adapter`, its framework already has one, or another binding already has one of its
                targets. Nothing is added then.
        """
        if not checked or not isinstance(adapter, Adapter):
            adapter = check_adapter(adapter, origin)
        if adapter.framework in self._found:
            raise PluginError(
                f"framework {adapter.framework!r} has two adapters: of {self._origin[adapter.framework]} and of {origin}"
            )
        taken = dict(self._targets())
        for binding in adapter.bindings:
            ours = f"{binding.hook} of {origin}"
            for target in binding.targets:
                if target in taken:
                    raise PluginError(
                        f"two bindings on one target, {target}: {taken[target]} and {ours}; remove one of the two"
                    )
                taken[target] = ours
        self._found[adapter.framework] = adapter
        self._origin[adapter.framework] = origin

    def get(self, framework: str) -> Adapter:
        """Return the adapter of a framework.

        Raises:
            SelectionError: there is none.
        """
        if framework not in self._found:
            raise SelectionError(f"syncfree: no adapter for {framework!r}{nearest(framework, self._found)}")
        return self._found[framework]

    def __iter__(self) -> Iterator[Adapter]:
        return iter(self._found.values())

    def _targets(self) -> Iterator[tuple[str, str]]:
        """Yield every bound target, with the hook and the origin of its binding."""
        for adapter in self:
            for binding in adapter.bindings:
                owner = f"{binding.hook} of {self._origin[adapter.framework]}"
                yield from ((target, owner) for target in binding.targets)
