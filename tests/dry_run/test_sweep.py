"""The comparison of all operators in the dry run and on the simulated device, and its kept result."""

from __future__ import annotations

import json

import pytest

from .sweep import cases
from .sweep.__main__ import CASE, RESULT
from .sweep.compare import compared
from .sweep.reasons import REASONS

KEPT = json.loads(RESULT.read_text())


@pytest.mark.parametrize(
    ("with_values", "plain", "simulated", "kind"),
    [
        ([0, 0], [0, 0], [0, 0], "agree"),
        ([1, 0], [2, 0], [2, 0], "agree"),
        ([1, 0], [0, 0], [0, 0], "free on the simulated device"),
        ([0, 0], [0, 1], [0, 0], "free on the simulated device"),
        ([0, 0], [0, 0], [0, 1], "only on the simulated device"),
        ([3, 0], [2, 0], [1, 0], "fewer"),
        ([1, 0], [1, 0], [2, 0], "more"),
        ([1, 0], "ended the process with signal 11", [1, 0], "agree"),
        ("RuntimeError: no", [0, 0], [0, 0], "could not run"),
        ([0, 0], [0, 0], "RuntimeError: no", "could not run"),
    ],
)
def test_an_operator_is_of_one_kind(with_values: object, plain: object, simulated: object, kind: str) -> None:
    result = compared({"op": [with_values]}, {"op": [plain]}, {"op": [simulated]})
    assert [key for key, operators in result.items() if "op" in operators] == [kind]
    assert result["samples"]["not compared"] == (kind == "could not run")


def test_a_sample_that_differs_is_not_hidden_by_one_that_agrees() -> None:
    result = compared({"op": [[0, 0], [1, 0]]}, {"op": [[0, 0], [1, 0]]}, {"op": [[0, 0], [0, 0]]})
    assert result["free on the simulated device"] == {"op": (1, 1, 0)}


def test_no_operator_that_waits_in_pytorchs_code_is_free_on_the_simulated_device() -> None:
    assert KEPT["free on the simulated device"] == {}
    assert len(KEPT["agree"]) > 690
    assert KEPT["samples"]["compared"] > 10 * KEPT["samples"]["not compared"] > 0


def test_every_difference_is_named_with_its_reason() -> None:
    assert {name for key in ("only on the simulated device", "fewer", "more") for name in KEPT[key]} == REASONS.keys()


def test_the_cases_of_pytorchs_own_test_wait_where_it_says() -> None:
    for expected, names in ((False, cases.FREE), (True, cases.WAITS)):
        for name in (f"{CASE}{name}" for name in names):
            if name not in KEPT["could not run"]:
                assert name in KEPT["agree"]
                assert (KEPT["cases"][name][0] > 0) == expected, name
