"""The sampling parameters of new batches, in SGLang's language engine."""

from __future__ import annotations

from . import batch, penalties

BINDINGS = (batch.BINDING, penalties.BINDING)
