"""The order of defaults is measured: `make bench-preferences` covers every choice that there is, and reports a wrong one."""

from __future__ import annotations

import sys

import pytest

from syncfree.hooks import HOOKS
from tests.bench import preferences

SEVERAL = [hook for hook in HOOKS if len(preferences.exact_implementations(hook)) > 1]


def test_every_hook_with_several_exact_implementations_is_measured() -> None:
    assert list(preferences.WORKLOADS) == SEVERAL


def test_the_most_preferred_implementation_of_a_scheduler_s_step_is_the_table() -> None:
    assert preferences.exact_implementations("scheduler_step")[0].plugin == "coefficient_table"


@pytest.mark.parametrize(("of_preferred", "status"), [(1.0, 0), (1.9, 0), (2.0, 0), (2.2, 1)])
def test_a_default_that_is_slower_by_more_than_the_noise_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], of_preferred: float, status: int
) -> None:
    def measured(implementations: object, rounds: int) -> preferences.Seconds:
        noise = [1 + 0.01 * (index % 5 - 2) for index in range(rounds)]
        return {"coefficient_table": [of_preferred * x for x in noise], "sync_free": [2.0 * x for x in reversed(noise)]}

    monkeypatch.setattr(preferences, "WORKLOADS", {"scheduler_step": measured})
    monkeypatch.setattr(sys, "argv", ["preferences"])
    assert preferences.main() == status
    assert ("WRONG" in capsys.readouterr().out) == bool(status)
