"""Read the logprobs of named tokens as SGLang's language models do. Usage: sglang_scoring.py FILE, with the function's source."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
from measuring import Measurement, about

from tests.contract.support.upstream_source import functions

NAME = "get_token_ids_logprobs_batch_optimized"
TOKENS = [[1, 3], [2], None, [0, 2, 4]]
"""Of four requests."""


def main(file: str) -> None:
    function = functions(Path(file), [NAME], {"torch": torch})[NAME]
    on_host = torch.randn(len(TOKENS), 8, generator=torch.Generator().manual_seed(0))
    logprobs = on_host.to("cuda")
    measurement = Measurement(None)
    with measurement.step():
        values, _ = function(logprobs, TOKENS)
    expected = [on_host[row, torch.tensor(tokens or [], dtype=torch.long)] for row, tokens in enumerate(TOKENS)]
    right = all(torch.equal(value.cpu(), one) for value, one in zip(values, expected, strict=True))
    told = {**measurement.told(), "steps": 1, "generated": right}
    Path(os.environ["RESULT"]).write_text(json.dumps({"about": {**about(), "start_seconds": 0.0}, "cases": {"scoring": told}}))


if __name__ == "__main__":
    main(*sys.argv[1:])
