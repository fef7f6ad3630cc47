"""Audits, allow regions and steps, by themselves: syncs are recorded by hand, no device is needed."""

from __future__ import annotations

import threading

import pytest

from syncfree.audit import Kind, Report, SyncBudgetExceeded, allow, step
from syncfree.audit._record import opened, record


def wait(times: int = 1, kind: Kind = Kind.ITEM, *, hard: bool = True) -> None:
    for _ in range(times):
        record(kind, "aten::test", hard=hard, shape=(2, 3))


def test_nothing_is_recorded_outside_of_an_audit() -> None:
    report = Report(None, "test")
    wait()
    with opened(report):
        wait(2)
    wait()
    assert len(report) == 2


def test_a_nested_audit_sees_its_part_and_the_outer_one_everything() -> None:
    outer, inner = Report(None, "test"), Report(None, "test")
    with opened(outer):
        wait()
        with opened(inner):
            wait(2)
        wait()
    assert (len(outer), len(inner)) == (4, 2)


def test_audits_may_be_closed_in_another_order_than_they_were_opened() -> None:
    first, second = Report(None, "test"), Report(None, "test")
    a, b = opened(first), opened(second)
    a.__enter__()
    b.__enter__()
    a.__exit__(None, None, None)
    wait()
    b.__exit__(None, None, None)
    assert (len(first), len(second)) == (0, 1)


def test_an_audit_sees_its_own_thread_only() -> None:
    mine, theirs = Report(None, "test"), Report(None, "test")

    def other() -> None:
        wait(3)
        with opened(theirs):
            wait(2)

    with opened(mine):
        thread = threading.Thread(target=other, name="other")
        thread.start()
        thread.join()
        wait()
    assert (len(mine), len(theirs)) == (1, 2)
    assert {sync.thread for sync in theirs} == {"other"}


def test_allowed_syncs_are_listed_with_their_reason_and_do_not_count() -> None:
    report = Report(0, "test")
    with opened(report), allow("outer"):
        wait()
        with allow("inner"):
            wait()
        wait()
    report.check()
    assert [sync.allowed for sync in report.allowed] == ["outer", "inner", "outer"]
    assert "2 x allowed: outer" in str(report)


@pytest.mark.parametrize("reason", ["", "  ", None])
def test_allow_wants_a_reason(reason: str) -> None:
    with pytest.raises(ValueError, match="allow\\(\\) needs the reason"), allow(reason):
        pass


def test_steps_divide_an_audit_and_syncs_before_the_first_step_are_in_none() -> None:
    report = Report(None, "test")
    with opened(report):
        wait()
        for times in (2, 0, 1):
            step("denoise")
            wait(times)
    assert report.per_step() == [2, 0, 1]
    assert report.phases == ["denoise"] * 3
    assert [sync.step for sync in report] == [-1, 0, 0, 2]


def test_steps_of_a_nested_audit_are_its_own() -> None:
    outer, inner = Report(None, "test"), Report(None, "test")
    with opened(outer):
        step()
        wait()
        with opened(inner):
            step()
            wait(2)
    assert (outer.per_step(), inner.per_step()) == ([1, 2], [2])


def test_the_error_lists_sites_by_count_with_line_source_and_replacement() -> None:
    report = Report(1, "test")
    with opened(report):
        wait(1)
        wait(3, Kind.D2H)
    with pytest.raises(SyncBudgetExceeded) as error:
        report.check()
    text = str(error.value)
    assert text.startswith("the host waited 4 times for the device, budget 1")
    assert text.index("3 x sync d2h") < text.index("1 x sync item")
    assert "record(kind, " in text
    assert "non_blocking=True" in text
    assert error.value.report is report


def test_soft_syncs_do_not_count_against_the_budget() -> None:
    report = Report(0, "test")
    with opened(report):
        wait(2, Kind.STAGED, hard=False)
    report.check()
    assert (len(report), len(report.soft)) == (0, 2)


def test_a_sync_knows_its_line_and_its_callers() -> None:
    report = Report(None, "test")
    with opened(report):
        wait()
    (sync,) = report
    assert sync.where.file == __file__
    assert [frame.function for frame in sync.stack[:2]] == ["wait", "test_a_sync_knows_its_line_and_its_callers"]
    assert (sync.shape, sync.op) == ((2, 3), "aten::test")


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="a budget is a number of syncs, 0 or more"):
        Report(-1, "test")


def test_an_empty_report_is_true_and_says_so() -> None:
    report = Report(0, "test")
    assert report
    assert str(report) == "no host sync"
