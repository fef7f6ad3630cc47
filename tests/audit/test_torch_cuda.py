"""The functions of ``torch.cuda`` on the simulated device behave as on a GPU, or are refused by name."""

from __future__ import annotations

import pytest
import torch

from syncfree.audit import AuditError, audit

from .program import INSTALL, output

pytestmark = pytest.mark.usefixtures("sync_audit")


def test_an_event_that_was_not_recorded_is_not_waited_for() -> None:
    event = torch.cuda.Event()
    with audit() as report:
        event.synchronize()
        event.record()
        event.synchronize()
    assert report.count == 1


def test_time_between_events_that_were_not_recorded_is_refused() -> None:
    with pytest.raises(ValueError, match="Both events must be recorded"):
        torch.cuda.Event(enable_timing=True).elapsed_time(torch.cuda.Event(enable_timing=True))


@pytest.mark.parametrize(
    ("other", "count"),
    [
        (lambda x: x, 0),
        (lambda x: x.detach(), 0),
        (lambda x: x.clone(), 1),
        (lambda x: x.view(torch.int32), 1),
        (lambda x: x[:1], 0),
    ],
)
def test_a_tensor_is_equal_to_itself_without_a_wait(other: object, count: int) -> None:
    x = torch.ones(3, device="cuda")
    with audit() as report:
        torch.equal(x, other(x))  # type: ignore[operator]
    assert report.count == count


def test_the_debug_mode_of_syncs_is_refused_unless_it_is_the_default() -> None:
    torch.cuda.set_sync_debug_mode("default")
    assert torch.cuda.get_sync_debug_mode() == 0
    with pytest.raises(AuditError, match=r"set_sync_debug_mode\('warn'\) does not exist"):
        torch.cuda.set_sync_debug_mode("warn")


def test_memory_of_other_processes_is_collected_without_a_driver() -> None:
    torch.cuda.ipc_collect()
    assert torch.cuda.memory_allocated() == 0


def test_a_graph_break_at_a_value_is_followed_by_dynamo() -> None:
    program = (
        "from syncfree.audit import audit\n"
        "@torch.compile(backend='eager')\n"
        "def keep(x):\n"
        "    if x.sum().item() > 0:\n"
        "        return x * 2\n"
        "    return x\n"
        "with audit() as report: kept = keep(torch.ones(2, device='cuda'))\n"
        "print(report.count, kept.tolist())"
    )
    assert output(INSTALL + program) == "1 [2.0, 2.0]"
