"""The order of an adapter's bindings."""

from __future__ import annotations

from collections.abc import Sequence

from syncfree.adapting import Binding


def grouped_by_module(bindings: Sequence[Binding]) -> list[Binding]:
    """Put bindings of one module side by side, modules as they first come: judging parses each source file once then."""
    modules = [binding.targets[0].partition(":")[0] for binding in bindings]
    return [bindings[index] for index in sorted(range(len(bindings)), key=lambda index: modules.index(modules[index]))]
