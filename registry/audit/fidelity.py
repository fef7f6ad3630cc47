"""Measure how many operators of PyTorch give the CPU's results on the simulated device: ``python -m syncfree.audit.fidelity``.

The float32 samples of every operator of PyTorch's own test database (OpInfo) run on both devices, forward and, where the
operator has one, backward. An operator counts as equal when all its results and gradients are.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from packaging.version import Version

from . import simulated
from ._fidelity_exceptions import EXCEPTIONS, FROM_2_14, ON_GPU_BUILDS, UNDEFINED

_SAMPLES = 4
_SEED = 0
_CPU_RUNS = 64
"""Some LAPACK routines (lstsq with gelsy) return one of several results for one input; the device's must be one of them."""


_Results: TypeAlias = tuple[list[torch.Tensor], list[torch.Tensor]]  # of forward, and the gradients


@dataclass(frozen=True, slots=True)
class Outcome:
    """The problems of one operator; empty strings where all was equal, ``backward`` is None where it has none."""

    name: str
    forward: str
    backward: str | None


def sweep(names: Iterable[str] = (), samples: int = _SAMPLES) -> list[Outcome]:
    """Compare every operator, or those named, on the first ``samples`` samples of each."""
    from torch.testing._internal.common_methods_invocations import op_db

    wanted = set(names)
    # An operator without a CPU kernel has nothing to compare with.
    return [_compare(op, samples) for op in op_db if op.dtypes and (not wanted or _name(op) in wanted)]


def expected() -> dict[str, str]:
    """Return the operators with known differences in this build of torch, with the reasons."""
    is_newer = Version(torch.__version__).release >= (2, 14)
    return EXCEPTIONS | (ON_GPU_BUILDS if torch.version.cuda else {}) | (FROM_2_14 if is_newer else {})


def _name(op: Any) -> str:
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else str(op.name)


def _compare(op: Any, samples: int) -> Outcome:
    dtype = torch.float32 if torch.float32 in op.dtypes else sorted(op.dtypes, key=str)[0]
    differentiable = bool(op.supports_autograd and dtype.is_floating_point)
    if EXCEPTIONS.get(_name(op)) == UNDEFINED:
        return Outcome(_name(op), "not compared", None)  # two readings of such memory may be equal by chance
    forward: str = ""
    backward: str | None = "" if differentiable else None
    for number, sample in enumerate(_sample_inputs(op, dtype, differentiable)):
        if number == samples:
            break
        forward, gradient = _compare_sample(op, sample, differentiable)
        if forward or gradient:
            backward = gradient if differentiable else None
            break
    return Outcome(_name(op), forward, backward)


def _sample_inputs(op: Any, dtype: torch.dtype, requires_grad: bool) -> Iterable[Any]:
    torch.manual_seed(_SEED)
    return list(op.sample_inputs("cpu", dtype, requires_grad=requires_grad))


def _compare_sample(op: Any, sample: Any, differentiable: bool) -> tuple[str, str]:
    """Return the problems of forward and backward on one sample; empty strings where everything is equal."""
    try:
        expected = _run(op, sample, differentiable)
    except (RuntimeError, NotImplementedError, ValueError, TypeError, AttributeError):
        return "", ""  # the CPU kernel rejects this sample: nothing to compare
    try:
        found = _run(op, sample.transform(_upload), differentiable)
    except Exception as error:  # noqa: BLE001 - every failure of the simulated device is a result to report
        return _first_line(error), ""
    problems = _differences(expected, found)
    if any(problems):
        again = (_differences(_run(op, sample, differentiable), found) for _ in range(_CPU_RUNS))
        problems = next((of_run for of_run in again if not any(of_run)), problems)
    return problems


def _run(op: Any, sample: Any, differentiable: bool) -> _Results:
    """Return results and gradients, moved to the CPU."""
    torch.manual_seed(_SEED)
    result = op(sample.input, *sample.args, **sample.kwargs)
    results = _tensors(sample.output_process_fn_grad(result) if differentiable else result)
    outputs = [tensor for tensor in results if tensor.requires_grad]
    inputs = [tensor for tensor in _tensors([sample.input, *sample.args, *sample.kwargs.values()]) if tensor.requires_grad]
    gradients: list[torch.Tensor] = []
    if differentiable and outputs and inputs:
        found = torch.autograd.grad(outputs, inputs, [torch.ones_like(output) for output in outputs], allow_unused=True)
        gradients = [gradient for gradient in found if gradient is not None]
    return [tensor.detach().cpu() for tensor in results], [gradient.cpu() for gradient in gradients]


def _upload(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        moved = value.detach().to("cuda")
        return moved.requires_grad_(value.requires_grad)
    return torch.device("cuda") if isinstance(value, torch.device) or value == "cpu" else value


def _tensors(value: Any) -> list[torch.Tensor]:
    from torch.utils._pytree import tree_leaves

    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _differences(expected: _Results, found: _Results) -> tuple[str, str]:
    return _difference(expected[0], found[0]), _difference(expected[1], found[1])


def _difference(expected: list[torch.Tensor], found: list[torch.Tensor]) -> str:
    if len(expected) != len(found):
        return f"{len(found)} tensors instead of {len(expected)}"
    try:
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    except AssertionError as error:
        return _first_line(error)
    return ""


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:150]


def main() -> int:
    """Print the shares and every difference; status 1 when a difference is not a known one."""
    parser = argparse.ArgumentParser(prog="python -m syncfree.audit.fidelity", description=__doc__)
    parser.add_argument("operators", nargs="*", help="names of OpInfo entries; all without")
    parser.add_argument("--samples", type=int, default=_SAMPLES, help="samples per operator")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # deprecations inside PyTorch's test database
    simulated.install()
    outcomes = sweep(options.operators, options.samples)
    unknown = 0
    known = expected()
    for outcome in outcomes:
        for phase, problem in (("forward", outcome.forward), ("backward", outcome.backward)):
            if problem:
                reason = known.get(outcome.name)
                unknown += reason is None
                print(f"{outcome.name} {phase}: {problem}\n    {reason or 'NOT EXPECTED'}")
    for phase, problems in (
        ("forward", [outcome.forward for outcome in outcomes]),
        ("backward", [outcome.backward for outcome in outcomes if outcome.backward is not None]),
    ):
        equal = problems.count("")
        print(
            f"{phase}: {equal} of {len(problems)} equal, {100 * equal / max(len(problems), 1):.2f} % (torch {torch.__version__})"
        )
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
