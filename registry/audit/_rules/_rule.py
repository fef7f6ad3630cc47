"""One row of the rule table."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.version import Version

from ..._installed_torch import holds_with
from .._events import Kind


@dataclass(frozen=True, slots=True)
class Rule:
    """One row.

    Attributes:
        name: short and stable; calibration cases refer to it.
        operation: the Python code, in Markdown; ``x`` is a CUDA tensor.
        waits: ``yes``, ``no``, or ``driver`` when the host waits only for the driver's staging of pageable memory.
        kinds, ops: the events that this row explains; an empty ``ops`` means every operator of those kinds.
        source: a pattern that the line of user code must also match, where the event alone is ambiguous.
        torch: the releases of torch in which a row that waits does wait, as in a requirement; in others it does not. Empty: all.
    """

    name: str
    operation: str
    waits: str
    why: str
    replacement: str
    kinds: tuple[Kind, ...] = ()
    ops: tuple[str, ...] = ()
    source: str = ""
    torch: str = ""

    def holds(self, release: str) -> bool:
        """Return whether the row holds in a release of torch, such as ``2.15.0+cu132``; a nightly build counts as its release."""
        return holds_with(self.torch, Version(release))
