"""Syncs and times on a CUDA device: ``make bench-gpu``. Nothing of it is part of the tests.

Runs the auditor's calibration with the CUDA back end, then the step loops of the installed frameworks' schedulers with
upstream's code and with each implementation (`gpu_steps`): syncs, kernels and microseconds per step, and whether the samples are
equal bit for bit. Writes a results file with machine, versions and date, to be committed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/gpu-results.json"), help="the results file")
    options = parser.parse_args()
    try:
        import torch
    except ImportError:
        print("bench-gpu: this Python has no torch; set PYTHON=... to one that has it, with CUDA", file=sys.stderr)
        return 2
    if not torch.cuda.is_available():
        print(f"bench-gpu: torch {torch.__version__} sees no CUDA device here, so nothing was measured", file=sys.stderr)
        return 2
    from syncfree.audit import calibration

    from . import gpu_steps

    result: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "schedulers": gpu_steps.measure(),  # before the calibration, whose audits switch a trace on for good
        "calibration": calibration.measure(),
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["schedulers"], indent=1))
    print(f"written to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
