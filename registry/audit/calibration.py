"""Run the same operations on every back end: ``python -m syncfree.audit.calibration``.

Runs every case on the back end of this machine, and prints where it differs from the rule table and from the kept results of the
other back ends for the same release of torch. On a GPU it also looks whether the host waits, without torch's reports. ``--keep``
writes the result into the package, where the rule table's page finds it, or into a folder; what was measured is there even when
the program is killed. In the dry run: ``syncfree audit --backend dry-run --values -- python -m syncfree.audit.calibration``.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from . import _backend, _calibration_queue, _process, dry_run, simulated
from ._calibration_cases import CASES, Case
from ._calibration_kept import DATA, differences, keep, others
from ._context import audit


def measure(progress: Callable[[dict[str, Any]], object] = lambda _: None) -> dict[str, Any]:
    """Run every case, and return what it counted: ``[hard, soft]`` by its code, or the error that it raised.

    Args:
        progress: called with the result so far after each case.
    """
    backend = _backend.select("auto").name
    result: dict[str, Any] = {
        "backend": backend,
        "device": torch.cuda.get_device_name(),
        "machine": f"{platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
        "counts": {},
    }
    if backend == "cuda":
        result["waits"] = {}
    with dry_run.Values() if backend == "dry-run" and not os.environ.get(_process.VALUES) else nullcontext():
        for case in CASES:
            _measure(case, result)
            progress(result)
    return result


def _measure(case: Case, result: dict[str, Any]) -> None:
    """Run a case twice, and count the second time: the first may initialise libraries."""
    try:
        case.run(*case.prepare())
        operands = case.prepare()
        if result["backend"] == "cuda":
            torch.cuda.synchronize()
        with audit() as report:
            case.run(*operands)
        result["counts"][case.code] = [report.count, len(report.soft)]
        if result["backend"] == "cuda":
            result["waits"][case.code] = _calibration_queue.waits(case.run, case.prepare())
    except Exception as error:  # noqa: BLE001  (any error is this case's result, and the next cases still run)
        result["counts"][case.code] = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the differences; status 1 when there are any."""
    parser = argparse.ArgumentParser(prog="python -m syncfree.audit.calibration", description=__doc__)
    parser.add_argument(
        "--keep", nargs="?", type=Path, const=DATA, metavar="FOLDER", help="write the result into the package, or into a folder"
    )
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        simulated.install()
    result = measure((lambda so_far: keep(so_far, options.keep)) if options.keep else lambda _: None)
    compared = others(result)
    print(f"{result['backend']} back end, {result['device']}, torch {result['torch']}: {len(CASES)} operations")
    print(f"compared with the rule table{''.join(', ' + other['backend'] for other in compared)}")
    found = differences(result, compared)
    print("\n".join(found) or "no difference")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
