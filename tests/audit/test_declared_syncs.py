"""Every implementation that ships and declares how often it makes the host wait is held to that on generated inputs."""

from __future__ import annotations

from typing import Any

import pytest

from syncfree._hook import Declaration
from syncfree._plugins import Implementation
from syncfree._runtime import RUNTIME
from syncfree.hooks import HOOKS
from syncfree.testing import check_audited_here

EXAMPLES = 25


def _declaring() -> list[Implementation]:
    plugins = RUNTIME.plugins()
    return [
        implementation
        for hook in HOOKS
        for implementation in plugins.candidates(hook)
        if implementation.declaration.host_syncs is not None
    ]


@pytest.mark.parametrize("implementation", _declaring(), ids=lambda i: f"{i.hook.name}-{i.plugin}")
def test_an_implementation_waits_no_more_often_than_it_declares(implementation: Implementation, sync_audit: Any) -> None:
    check_audited_here(implementation, EXAMPLES)


def test_most_hooks_have_one_that_declares_no_wait() -> None:
    silent = {implementation.hook.name for implementation in _declaring() if implementation.declaration.host_syncs == 0}
    assert len(silent) > len(HOOKS) / 2


def test_an_implementation_that_lies_fails(sync_audit: Any) -> None:
    hook = HOOKS["schedule_upload"]
    lying = Implementation(hook, "lying", None, Declaration(exact=True, host_syncs=0), _lie)
    with pytest.raises(AssertionError, match=r"more often than the declared 0 times(?s:.*)\.item\(\)"):
        check_audited_here(lying, EXAMPLES)


def _lie(values: Any, device: Any, dtype: Any) -> Any:
    import torch

    uploaded = torch.tensor([1.0], device=device)
    return values.to(device=device, dtype=dtype) * round(uploaded.item())
