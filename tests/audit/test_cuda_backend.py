"""The CUDA back end, as far as it runs without a GPU: torch's trace callbacks are fired by hand.

What torch itself fires on a GPU is the calibration program's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from syncfree.audit import Kind, Report
from syncfree.audit._record import opened


@pytest.fixture
def backend() -> Iterator[Any]:
    from torch.cuda import _gpu_trace

    from syncfree.audit._cuda import CudaBackend

    registries = [
        _gpu_trace.StreamSynchronizationCallbacks,
        _gpu_trace.DeviceSynchronizationCallbacks,
        _gpu_trace.EventSynchronizationCallbacks,
    ]
    before = [list(registry.callback_list) for registry in registries]
    yield CudaBackend()
    for registry, callbacks in zip(registries, before, strict=True):
        registry.callback_list[:] = callbacks


def fire(kind: str, *arguments: int) -> None:
    from torch.cuda import _gpu_trace

    getattr(_gpu_trace, f"{kind}SynchronizationCallbacks").fire_callbacks(*arguments)


def test_each_callback_is_recorded_without_deduplication(backend: Any) -> None:
    report = Report(None, "cuda")
    with opened(report), backend.watching():
        for _ in range(3):
            fire("Stream", 0)
        fire("Device")
        fire("Event", 1)
    assert len(report) == 5
    assert [sync.op for sync in report][2:] == [
        "cudaStreamSynchronize", "torch.cuda.synchronize", "torch.cuda.Event.synchronize",
    ]  # fmt: skip


def test_callbacks_outside_of_audits_are_not_recorded(backend: Any) -> None:
    report = Report(None, "cuda")
    with opened(report), backend.watching():
        pass
    fire("Stream", 0)
    assert len(report) == 0


def test_a_wait_is_named_after_the_operator_that_runs(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from syncfree.audit import _cuda

    watch = _cuda._Watch()

    class Operator:
        def __init__(self, name: str) -> None:
            self._schema = type("Schema", (), {"name": name})

        def __call__(self, *args: Any, **kwargs: Any) -> None:
            fire("Stream", 0)

    x = torch.ones(2, 3)
    report = Report(None, "cuda")
    with opened(report):
        watch.__torch_dispatch__(Operator("aten::_local_scalar_dense"), (), (x,))
        watch.__torch_dispatch__(Operator("aten::nonzero"), (), (x,))
        watch.__torch_dispatch__(Operator("aten::index"), (), (x, [torch.tensor([0])]))
        watch.__torch_dispatch__(Operator("aten::index"), (), (x, [x > 0]))
    assert [sync.kind for sync in report] == [Kind.ITEM, Kind.DATA_SHAPE, Kind.H2D, Kind.DATA_SHAPE]
    assert {sync.shape for sync in report} == {(2, 3)}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_which_have_no_shape_run_under_the_watch(backend: Any) -> None:
    report = Report(None, "cuda")
    with opened(report), backend.watching():
        nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
        padded = torch.nested.to_padded_tensor(nested, 0.0)
    assert padded.tolist() == [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]


def test_a_pageable_non_blocking_upload_is_soft_and_a_blocking_one_is_left_to_the_callback(backend: Any) -> None:
    from syncfree.audit._cuda import _record_staged

    report = Report(None, "cuda")
    cuda = torch.device("cuda", 0)
    with opened(report):
        _record_staged("aten::_to_copy", (torch.ones(2),), {"device": cuda, "non_blocking": True})
        _record_staged("aten::_to_copy", (torch.ones(2),), {"device": cuda})
        _record_staged("aten::_to_copy", (torch.ones(2),), {"dtype": torch.float64, "non_blocking": True})
    assert [(sync.kind, sync.hard) for sync in report] == [(Kind.STAGED, False)]


def test_no_gpu_is_a_clear_sentence() -> None:
    from syncfree.audit import AuditError, audit

    with pytest.raises(AuditError, match="torch sees no CUDA device here"), audit(backend="cuda"):
        pass
