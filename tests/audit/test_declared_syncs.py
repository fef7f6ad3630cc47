"""Every implementation that ships and declares ``host_syncs=0`` is held to it on generated inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from syncfree._plugins import Implementation
from syncfree._runtime import RUNTIME
from syncfree.audit import audit
from syncfree.hooks import HOOKS

EXAMPLES = 25
# Arguments that the contract keeps on the host, by hook.
ON_HOST: dict[str, tuple[str, ...]] = {"host_timestep": ("host",), "schedule_upload": ("values",)}


def _implementations() -> list[Implementation]:
    plugins = RUNTIME.plugins()
    return [
        implementation
        for hook in HOOKS
        for implementation in plugins.candidates(hook)
        if implementation.declaration.host_syncs == 0
    ]


class Upload:
    """Moves tensors to the device; one object stays one object, and views of one storage views of one storage."""

    def __init__(self) -> None:
        self._storages: dict[int, Any] = {}
        self._objects: dict[int, Any] = {}

    def __call__(self, value: Any) -> Any:
        import torch

        if isinstance(value, torch.Tensor):
            if id(value) not in self._objects:
                self._objects[id(value)] = self._tensor(value)
            return self._objects[id(value)]
        if value in ("cpu", torch.device("cpu")) and not isinstance(value, (list, tuple, dict)):
            return torch.device("cuda")
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self, value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return dataclasses.replace(value, **{f.name: self(getattr(value, f.name)) for f in dataclasses.fields(value)})
        if type(value) in (list, tuple):
            return type(value)(map(self, value))
        return {key: self(item) for key, item in value.items()} if type(value) is dict else value

    def _tensor(self, tensor: Any) -> Any:
        import torch

        storage = tensor.untyped_storage()
        base = self._storages.get(storage.data_ptr())
        if base is None or base.dtype != tensor.dtype:
            base = torch.empty(0, dtype=tensor.dtype).set_(storage).cuda()
            self._storages[storage.data_ptr()] = base
        return base.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset())


@pytest.fixture
def collectives() -> Iterator[None]:
    """A process group that takes device tensors and does nothing: an NCCL collective does not make the host wait."""
    import torch.distributed as dist
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("collectives")
@pytest.mark.parametrize("implementation", _implementations(), ids=lambda i: f"{i.hook.name}-{i.plugin}")
def test_an_implementation_that_declares_no_sync_makes_none(implementation: Implementation, sync_audit: Any) -> None:
    from hypothesis import HealthCheck, given, settings

    hook, function = implementation.hook, implementation.function()
    answered = []

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(hook.inputs())
    def holds(arguments: dict[str, Any]) -> None:
        upload = Upload()
        kept = ON_HOST.get(hook.name, ())
        call = {name: value if name in kept else upload(value) for name, value in arguments.items()}
        with audit(budget=0):
            answered.append(function(**call) is not NotImplemented)

    holds()
    assert any(answered), f"{implementation.plugin} declined every generated call of {hook.name}"


def test_an_implementation_that_lies_fails(sync_audit: Any) -> None:
    import torch

    from syncfree.audit import SyncBudgetExceeded

    scores = torch.randn(3, 5).cuda()
    with pytest.raises(SyncBudgetExceeded, match=r"scores\.max\(\)\.item\(\)"), audit(budget=0):
        _lie(scores)


def _lie(scores: Any) -> float:
    maximum: float = scores.max().item()
    return maximum
