"""PyTorch's own operator samples on the simulated device."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from .program import output


@pytest.fixture(scope="module")
def sweep() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "syncfree.audit.fidelity"], capture_output=True, text=True, check=False, timeout=1200
    )


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_98_percent_of_the_operators_equal_the_cpu_bit_for_bit(sweep: subprocess.CompletedProcess[str], phase: str) -> None:
    found = re.search(rf"^{phase}: (\d+) of (\d+) equal", sweep.stdout, re.MULTILINE)
    assert found is not None, sweep.stderr
    equal, all_of_them = map(int, found.groups())
    assert all_of_them > 500
    assert equal / all_of_them >= 0.98


def test_every_exception_is_named_with_its_reason(sweep: subprocess.CompletedProcess[str]) -> None:
    assert "NOT EXPECTED" not in sweep.stdout, sweep.stdout
    assert sweep.returncode == 0, sweep.stderr


def test_no_exception_is_named_that_is_none(sweep: subprocess.CompletedProcess[str]) -> None:
    from syncfree.audit.fidelity import expected

    assert {line.split()[0] for line in sweep.stdout.splitlines() if re.match(r"\S+ (for|back)ward: ", line)} == set(
        expected()
    )


def test_a_wrong_kernel_is_found() -> None:
    program = """
from syncfree.audit import simulated
simulated.install()
import torch
from syncfree.audit import fidelity
library = torch.library.Library("aten", "IMPL", "CUDA")
library.impl("sin", lambda x: x.cos(), allow_override=True)
(outcome,) = fidelity.sweep(["sin"])
print(outcome.forward)
"""
    assert "not equal" in output(program)
