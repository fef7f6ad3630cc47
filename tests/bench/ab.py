"""The truth of what ``syncfree ab`` says: A against itself is no difference, and 5 % more work is slower.

    python -m tests.bench.ab [same] [slower]

Prints the verdicts of 20 comparisons of each kind, on the CPU time of replayed calls, and ends with 1 if one is wrong. A test of
the statistics with generated samples is in tests/unit/test_measuring.py; this is the clock, too, so it is no test: a busy machine may
fail it.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from syncfree._plugins import Plugins
from syncfree.hooks import HOOKS
from syncfree.measuring._design import Design
from syncfree.measuring._of_replay import compare_replayed
from syncfree.recording._files import write_call

RUNS = 20
WORK = 2000
DESIGN = Design(block_seconds=0.01, equal_rounds=0, most_rounds=120, budget_seconds=60, precision=0.01, figure="cpu")


def _rows(pooled: Any, rows: Any, work: int) -> Any:
    for _ in range(work):
        pass
    return pooled[list(rows)]


def reference(pooled: Any, rows: Any) -> Any:
    return _rows(pooled, rows, WORK)


def same(pooled: Any, rows: Any) -> Any:
    return _rows(pooled, rows, WORK)


def slower(pooled: Any, rows: Any) -> Any:
    return _rows(pooled, rows, WORK * 106 // 100)  # 5 % of a call: part of it is not this loop


def main() -> None:
    import torch

    hook, wrong = HOOKS["pooled_rows"], 0
    expectations = {"same": "no difference", "slower": "slower"}
    kinds = sys.argv[1:] or list(expectations)
    with TemporaryDirectory() as folder:
        write_call(folder, hook, {"pooled": torch.randn(8, 4), "rows": [1, 7]}, {})
        for name in kinds:
            expected = expectations[name]
            found: Counter[str] = Counter()
            ratios = []
            for _ in range(RUNS):
                other = f"{__spec__.name}:{name}"
                done = compare_replayed(
                    hook, f"{__spec__.name}:reference", other, Path(folder), "cpu", DESIGN, Plugins(HOOKS), lambda phase, number: None
                )
                summary = done.parts[0].summaries()["cpu"]
                found[summary.outcome(DESIGN.smallest)] += 1
                ratios.append(summary.ratio)
            wrong += RUNS - found[expected]
            print(f"{name}: {dict(found)} of {RUNS}, expected {expected}; ratios {min(ratios):.3f} to {max(ratios):.3f}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
