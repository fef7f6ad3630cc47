"""Count the waits of the operators: ``python -m tests.dry_run.sweep.worker RUN FIRST`` prints a line of JSON for each.

RUN is ``simulated``, ``dry-run`` (with values) or ``plain``: a dry run without values and without a dispatch mode, which some
operators take for a reason to go another way, without a wait.

A line is ``{"begin": NAME}`` before an operator runs, which tells what a crash was in, and after it ``{"name": NAME, "waits":
[[of the operator, of its backward], ...]}`` by sample; an error of a sample is a text in its place.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from syncfree.audit import audit, dry_run, simulated

RUN = sys.argv[1]
BACKEND: Any = "simulated" if RUN == "simulated" else "dry-run"
if BACKEND == "dry-run":
    dry_run.install(values=True)  # also without values memory is zero, which crashes fewer operators
else:
    simulated.install()

import torch  # noqa: E402  (the dry run comes first)
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from . import cases  # noqa: E402

SAMPLES = 12
SEED = 0
WAITS = ("stream synchronizations", "event synchronizations", "device synchronizations", "blocking copies")
Waits: TypeAlias = "list[int] | str"


def main() -> None:
    """Run the operators from the one with this number on."""
    warnings.simplefilter("ignore")
    work = [*_operators(), *_cases()]
    with dry_run.Values(lambda what: None) if RUN == "dry-run" else contextlib.nullcontext():
        for name, run in work[int(sys.argv[2]) :]:
            _say(begin=name)
            _say(name=name, waits=run())


def _say(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def _operators() -> Iterator[tuple[str, Callable[[], list[Waits]]]]:
    for op in op_db:
        if op.dtypes:  # without one there is no CPU kernel, which both devices compute with
            name = f"{op.name}.{op.variant_test_name}" if op.variant_test_name else str(op.name)
            yield name, lambda op=op: _of_operator(op)  # type: ignore[misc]


def _cases() -> Iterator[tuple[str, Callable[[], list[Waits]]]]:
    for name, run in cases.CASES.items():
        yield f"test_sync_warning: {name}", lambda run=run: [_of_case(run)]  # type: ignore[misc]


def _of_operator(op: Any) -> list[Waits]:
    dtype = torch.float32 if torch.float32 in op.dtypes else sorted(op.dtypes, key=str)[0]
    differentiable = bool(op.supports_autograd and dtype.is_floating_point)
    try:
        torch.manual_seed(SEED)
        samples = _spread(list(op.sample_inputs("cpu", dtype, requires_grad=differentiable)))
    except Exception as error:  # noqa: BLE001 - the database has samples that need packages
        return [_reason(error)]
    return [_of_sample(op, sample, differentiable) for sample in samples]


def _spread(samples: list[Any]) -> list[Any]:
    """Return some of the samples, from all over the list: neighbours are alike."""
    step = max(1, len(samples) / SAMPLES)
    return [samples[int(number * step)] for number in range(min(SAMPLES, len(samples)))]


def _of_sample(op: Any, sample: Any, differentiable: bool) -> Waits:
    """Count in the second run: the first may initialise a library."""
    waits: Waits = "not run"
    for _ in range(2):
        try:
            torch.manual_seed(SEED)
            waits = _count(op, sample.transform(_upload), differentiable)
        except Exception as error:  # noqa: BLE001 - a failure is a result
            return _reason(error)
    return waits


def _count(op: Any, sample: Any, differentiable: bool) -> list[int]:
    with _counting() as counted:
        result = op(sample.input, *sample.args, **sample.kwargs)
    forward = counted[0]
    if not differentiable:
        return [forward, 0]
    result = sample.output_process_fn_grad(result)
    outputs = [tensor for tensor in _tensors(result) if tensor.requires_grad]
    inputs = [tensor for tensor in _tensors([sample.input, *sample.args, *sample.kwargs.values()]) if tensor.requires_grad]
    if not outputs or not inputs:
        return [forward, 0]
    gradients = [torch.ones_like(output) for output in outputs]
    with _counting() as counted:
        torch.autograd.grad(outputs, inputs, gradients, allow_unused=True)
    return [forward, counted[0]]


@contextlib.contextmanager
def _counting() -> Iterator[list[int]]:
    """Count the waits of a block; the list has the number when it has ended."""
    counted = [0]
    if RUN == "plain":
        before = dry_run.counts()
        yield counted
        after = dry_run.counts()
        counted[0] = sum(after[event] - before[event] for event in WAITS)
    else:
        with audit(backend=BACKEND) as report:
            yield counted
        counted[0] = len(report.hard)


def _of_case(run: Callable[[], object]) -> Waits:
    try:
        run()
        with _counting() as counted:
            run()
    except Exception as error:  # noqa: BLE001 - a failure is a result
        return _reason(error)
    return [counted[0], 0]


def _upload(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cuda").requires_grad_(value.requires_grad)
    return torch.device("cuda") if isinstance(value, torch.device) or (isinstance(value, str) and value == "cpu") else value


def _tensors(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:120]


if __name__ == "__main__":
    main()
