"""Read the logprobs of named tokens in a module of SGLang's language engine. Usage: sglang_scoring.py MODULE FUNCTION..."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from measuring import Measurement, about

from tests.contract.support.sglang_language_engine import load_alone

HOOK = "sampler_logprob_gather"
TOKENS = [[1, 3], [2], None, [0, 2, 4]]
"""Of four requests."""


def main(module: str, *names: str) -> None:
    loaded = load_alone(module)
    on_host = torch.randn(len(TOKENS), 8, generator=torch.Generator().manual_seed(0))
    expected = [on_host[row, torch.tensor(tokens or [], dtype=torch.long)] for row, tokens in enumerate(TOKENS)]
    logprobs = on_host.to("cuda")
    cases: dict[str, Any] = {}
    for name in names:
        measurement = Measurement(HOOK)
        with measurement.step():
            values, ids = getattr(loaded, name)(logprobs, TOKENS)
        right = all(torch.equal(torch.as_tensor(value).cpu(), one) for value, one in zip(values, expected, strict=True))
        cases[name] = {**measurement.told(), "steps": 1, "generated": right and ids == [tokens or [] for tokens in TOKENS]}
    Path(os.environ["RESULT"]).write_text(json.dumps({"about": {**about(), "start_seconds": 0.0}, "cases": cases}))


if __name__ == "__main__":
    main(*sys.argv[1:])
