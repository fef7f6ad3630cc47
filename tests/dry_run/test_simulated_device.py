"""The other back ends beside PyTorch's own code: an operation that waits there waits on the simulated device, too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from syncfree.audit.dry_run._build import build

ROOT = Path(__file__).parents[2]
OFTEN = {"matrix_exp": "the degree depends on norms, which no kernel computed inside"}
"""Operations that wait on both, and in the dry run more often; with the reason."""
SELDOM = {
    "ctc": "under a dispatch mode PyTorch computes the mean without uploading the lengths; without a mode it waits as often",
    "isin many": "no kernel makes the elements unique, so its code fails before it stores a number into an element, as it does before 2.15",
}
"""Operations that wait on both, and in the dry run with values less often."""

UNREPORTED = {
    "mode of 3000": "Thrust",
    "unique dim inverse": "Thrust",
    "unique_consecutive dim inverse": "Thrust",
    "lu of 3 x 4": "MAGMA",
}
"""Operations that wait in a library within PyTorch, too, which torch does not report; with the library."""

Waits = dict[str, list[int]]


def waits(backend: str, **variables: str) -> Waits:
    limits = {"SYNC_AUDIT_DRY_RUN_MEMORY_GIB": "4", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.dry_run.operations", backend]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **limits, **variables}, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def of_both() -> tuple[Waits, Waits]:
    # The simulated device needs no library of NVIDIA's, but torch does, to be imported; so the stubs are there, without a device.
    without_device = {"LD_LIBRARY_PATH": str(build()[0].parent), "SYNC_AUDIT_DRY_RUN_DEVICES": "0"}
    return waits("dry-run"), waits("simulated", **without_device)


def test_no_operation_that_waits_in_pytorchs_code_is_free_on_the_simulated_device(of_both: tuple[Waits, Waits]) -> None:
    torchs, simulated = of_both
    assert len(torchs) > 130
    assert sum(hard > 0 for hard, _ in torchs.values()) > 50
    assert [name for name, (hard, _) in torchs.items() if hard and not simulated[name][0]] == []


def test_the_simulated_device_counts_what_pytorchs_code_does_but_where_it_is_said(of_both: tuple[Waits, Waits]) -> None:
    torchs, simulated = of_both
    differing = {name for name in torchs if torchs[name] != simulated[name]}
    assert differing <= OFTEN.keys() | SELDOM.keys()
    assert all(torchs[name][0] > simulated[name][0] > 0 for name in differing & OFTEN.keys())
    assert all(simulated[name][0] > torchs[name][0] > 0 for name in differing & SELDOM.keys())


def test_the_back_end_for_a_gpu_counts_what_pytorchs_code_waits_for(of_both: tuple[Waits, Waits]) -> None:
    """Torch's reports and what the back end adds to them, on the dry-run device."""
    reported, seen = waits("cuda"), of_both[0]
    assert {name for name in seen if reported[name] != seen[name]} <= UNREPORTED.keys()
    assert all(seen[name][0] > reported[name][0] for name in UNREPORTED if reported[name] != seen[name])
