"""Generate with one vLLM engine for some time while threads toggle and read. Usage: vllm_soak.py MODEL FOLDER SECONDS

FOLDER/made.json gets the first answer, how many were made, and those that differed from the first. ``SYNCFREE=off`` makes the
reference. It ends itself with its stacks when one answer takes longer than `PATIENCE`.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import time
from pathlib import Path

from meter import Meter
from offline import PROMPTS, sampling, told
from tiny_engine import IN_ONE_PROCESS
from vllm import LLM

PATIENCE = 120.0


def main(model: str, folder: Path, seconds: float) -> None:
    llm = LLM(model, **IN_ONE_PROCESS)
    first = [told(output) for output in llm.generate(PROMPTS, sampling(), use_tqdm=False)]
    meter = None if os.environ.get("SYNCFREE") == "off" else Meter(folder)
    if meter is not None:
        meter.start()
    made, different, end = 1, [], time.monotonic() + seconds
    while time.monotonic() < end:
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        answer = [told(output) for output in llm.generate(PROMPTS, sampling(), use_tqdm=False)]
        made += 1
        if answer != first:
            different.append(made)
    faulthandler.cancel_dump_traceback_later()
    if meter is not None:
        meter.stop()
    (folder / "made.json").write_text(json.dumps({"first": first, "made": made, "different": different}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
