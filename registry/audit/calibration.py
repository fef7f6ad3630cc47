"""Run the same operations on every back end: ``python -m syncfree.audit.calibration``.

Runs every case on the back end of this machine, and prints where it differs from the rule table and from the kept results of the
other back ends. ``--keep`` writes the result into the package, where the rule table's page finds it. In the dry run:
``syncfree audit --backend dry-run --values -- python -m syncfree.audit.calibration``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from . import _backend, _process, dry_run, simulated
from ._calibration_cases import CASES
from ._context import audit

BACKENDS = ("cuda", "dry-run", "simulated")
DATA = Path(__file__).with_name("data")


def kept(backend: str) -> dict[str, Any] | None:
    """Return the kept result of a back end; None if no result was kept."""
    path = DATA / f"calibration-{backend}.json"
    if not path.exists():
        return None
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def measure() -> dict[str, Any]:
    """Run every case twice, and count the second time: the first may initialise libraries."""
    backend = _backend.select("auto").name
    with dry_run.Values() if backend == "dry-run" and not os.environ.get(_process.VALUES) else nullcontext():
        counts = _counts(backend)
    return {
        "backend": backend,
        "device": torch.cuda.get_device_name(),
        "machine": f"{platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
        "counts": counts,
    }


def _counts(backend: str) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    for case in CASES:
        try:
            case.run(*case.prepare())
            operands = case.prepare()
            if backend == "cuda":
                torch.cuda.synchronize()
            with audit() as report:
                case.run(*operands)
            counts[case.code] = [report.count, len(report.soft)]
        except RuntimeError as error:
            counts[case.code] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return counts


def differences(result: dict[str, Any], other: dict[str, Any] | None) -> list[str]:
    """Return the differences of a result from the rule table and from the other back end's; one sentence each."""
    found: list[str] = []
    for case in CASES:
        count, expected = result["counts"].get(case.code), case.expected(result["torch"])
        if count != expected:
            found.append(f"{case.code}: {count} on {result['backend']}, {expected} in the rule table")
        if other is not None and other["counts"].get(case.code) != count:
            found.append(
                f"{case.code}: {count} on {result['backend']}, {other['counts'].get(case.code)} on {other['backend']}"
            )
    return found


def confirmed(rule: str, backend: str = "cuda") -> str:
    """Return what the kept result of a back end says of one row of the rule table."""
    result = kept(backend)
    cases = [case for case in CASES if case.rule == rule]
    if result is None or not cases:
        return "not yet"
    wrong = [case.code for case in cases if result["counts"].get(case.code) != case.expected(result["torch"])]
    if wrong:
        return f"**no**: `{'`, `'.join(wrong)}`"
    return "yes" if backend == "dry-run" else f"yes: {result['device']}, torch {result['torch']}, {result['date']}"


def main() -> int:
    """Measure and print the differences; status 1 when there are any."""
    parser = argparse.ArgumentParser(prog="python -m syncfree.audit.calibration", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="write the result into the package")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        simulated.install()
    result = measure()
    other_name = "simulated" if result["backend"] == "cuda" else "cuda"
    other = kept(other_name)
    print(f"{result['backend']} back end, {result['device']}, torch {result['torch']}: {len(CASES)} operations")
    if other is None:
        print(f"no result of the {other_name} back end was kept: run this there with --keep")
    found = differences(result, other)
    print("\n".join(found) or "no difference")
    if options.keep:
        DATA.mkdir(exist_ok=True)
        (DATA / f"calibration-{result['backend']}.json").write_text(json.dumps(result, indent=1) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
