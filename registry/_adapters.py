"""The adapters of this process, from the entry point group ``syncfree.adapters``.

An entry point's name is the framework's; its object is an `Adapter`. Ours come the same way as anybody's.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points

from ._errors import PluginError, SelectionError, nearest
from .adapting import Adapter

GROUP = "syncfree.adapters"


class Adapters:
    """Adapters by framework; one that cannot be loaded is reported in ``broken`` and left out."""

    def __init__(self) -> None:
        self._found: dict[str, Adapter] = {}
        self._origin: dict[str, str] = {}
        self.broken: list[str] = []
        points = sorted(entry_points(group=GROUP), key=lambda p: (p.dist is None or p.dist.name != "syncfree", p.name))
        for point in points:
            origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
            try:
                self.add(point.load(), origin)
            except Exception as error:  # noqa: BLE001 - third-party import code may raise anything; it is reported, not hidden
                self.broken.append(f"adapter {point.name!r} of {origin}: {type(error).__name__}: {error}")

    def add(self, adapter: object, origin: str = "the program") -> None:
        """Take an adapter in.

        Raises:
            PluginError: it is not an `Adapter`, its framework has one, or one of its targets is already bound by another.
        """
        if not isinstance(adapter, Adapter):
            raise PluginError(f"{origin}: {adapter!r} is not a syncfree.adapting.Adapter")
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
        """The adapter of a framework.

        Raises:
            SelectionError: there is none.
        """
        if framework not in self._found:
            raise SelectionError(f"syncfree: no adapter for {framework!r}{nearest(framework, self._found)}")
        return self._found[framework]

    def __iter__(self) -> Iterator[Adapter]:
        return iter(self._found.values())

    def _targets(self) -> Iterator[tuple[str, str]]:
        """Every bound target, and which hook of which origin binds it."""
        for adapter in self:
            for binding in adapter.bindings:
                whose = f"{binding.hook} of {self._origin[adapter.framework]}"
                yield from ((target, whose) for target in binding.targets)
