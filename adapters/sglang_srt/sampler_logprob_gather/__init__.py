"""The logprobs of the token ids that requests name, in SGLang's language engine."""

from __future__ import annotations

from . import decoding, scoring

BINDINGS = (*scoring.BINDINGS, *decoding.BINDINGS)
