"""Syncs and times on a CUDA device: ``make bench-gpu``, or ``run.py`` of the folder that ``make gpu-pack`` makes.

Runs, one after the other or only those named:

1. ``schedulers``: step loops of the installed frameworks' schedulers with upstream's code and with each implementation
   (`gpu_steps`): syncs, kernels and microseconds per step, and whether the samples are equal bit for bit. It comes first, because
   the calibration's audits switch a trace on for as long as the process lives.
2. ``calibration``: the auditor's calibration with the CUDA back end.

Writes into one folder, as it goes: ``machine.json``, and of each part its results (JSON) and what it printed (text).
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO


def _schedulers(output: Path, *, quick: bool) -> int:
    from . import gpu_steps

    path = output / "schedulers.json"
    effort = {"steps": 4, "rounds": 1} if quick else {}
    result = gpu_steps.measure(lambda so_far: path.write_text(json.dumps(so_far, indent=1) + "\n"), **effort)
    print(json.dumps(result, indent=1))
    return 0


def _calibration(output: Path, *, quick: bool) -> int:
    from syncfree.audit import calibration

    return calibration.main(["--keep", str(output)])


PARTS: dict[str, Callable[..., int]] = {"schedulers": _schedulers, "calibration": _calibration}


def main() -> int:
    """Run the parts; status 1 when one of them failed or the calibration differs from the rule table, 2 without a device."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{' or '.join(PARTS)}; all of them by default")
    parser.add_argument("--output", type=Path, default=Path("build/gpu-results"), help="the folder of the results")
    parser.add_argument("--quick", action="store_true", help="few steps, one round: to see that everything runs")
    options = parser.parse_args()
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"no part named {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    try:
        import torch
    except ImportError:
        print("bench-gpu: this Python has no torch; set PYTHON=... to one that has it, with CUDA", file=sys.stderr)
        return 2
    if not torch.cuda.is_available():
        print(f"bench-gpu: torch {torch.__version__} sees no CUDA device here, so nothing was measured", file=sys.stderr)
        return 2
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "machine.json").write_text(json.dumps(_machine(), indent=1) + "\n")
    # In the order above, whatever the order of the arguments.
    return max(_run(name, options.output, quick=options.quick) for name in PARTS if name in options.parts or not options.parts)


def _machine() -> dict[str, Any]:
    import torch

    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "device": torch.cuda.get_device_name(),
        "capability": torch.cuda.get_device_capability(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _run(name: str, output: Path, *, quick: bool) -> int:
    """Run a part with what it prints on standard output and in a file; a part that fails leaves the others to run."""
    start = perf_counter()
    with (output / f"{name}.txt").open("w") as file, redirect_stdout(_Both(sys.stdout, file)):
        try:
            status = PARTS[name](output, quick=quick)
        except Exception:  # noqa: BLE001  (any error is printed, and the next part still runs)
            print(traceback.format_exc())
            status = 1
        print(f"{name}: status {status} after {perf_counter() - start:.0f} s; results in {output}")
    return status


class _Both:
    """Writes to a terminal and to a file, without keeping anything back."""

    def __init__(self, *files: TextIO) -> None:
        self._files = files

    def write(self, text: str) -> int:
        for file in self._files:
            file.write(text)
            file.flush()
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""


if __name__ == "__main__":
    sys.exit(main())
