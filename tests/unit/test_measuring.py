"""The statistics and the files of comparisons, on generated samples: nothing is timed here."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfree.measuring._comparison import Comparison, ComparisonError, Part, read_comparison
from syncfree.measuring._design import CONTROL, Design, Round, order_of, ratios_of, round_of, run_rounds
from syncfree.measuring._statistics import Interval, Summary, bootstrap, confidence_sequence

DESIGN = Design()


def ratios(seed: int, number: int, effect: float = 1.0, noise: float = 0.03) -> list[float]:
    """Ratios of a measurement with this effect, and a heavy tail of disturbances."""
    draw = random.Random(seed)
    return [effect * math.exp(draw.gauss(0, noise) + (draw.gauss(0, 0.5) if draw.random() < 0.05 else 0)) for _ in range(number)]


def rounds_of(effect: float, number: int = 100, seed: int = 0, drift: float = 0.0) -> tuple[Round, ...]:
    """Rounds in which A takes ``effect`` times as long as B, while the machine becomes slower in each block."""
    draw, found, block = random.Random(seed), [], itertools.count()

    def seconds(side: str) -> dict[str, float]:
        slow = (1 + drift * next(block)) * math.exp(draw.gauss(0, 0.01))
        return {"host": slow * (effect if side == "A" else 1.0) * 1e-5, CONTROL: math.exp(draw.gauss(0, 0.01)) * 1e-3}

    for index in range(number):
        order = order_of(index)
        found.append(round_of(order, [seconds(side) for side in order]))
    return tuple(found)


def comparison(effect: float = 1.0, **changes: Any) -> Comparison:
    part = Part("this process", rounds_of(1.0, 10, 1), rounds_of(effect), "all rounds are made")
    given = {"design": DESIGN, "source": {"kind": "replay"}, "parts": (part,), **changes}
    return Comparison("pooled_rows", "reference", "sync_free", **given)


def test_twenty_comparisons_of_a_with_itself_find_no_difference() -> None:
    outcomes = [Summary.of(ratios(seed, 100)).outcome(0.01) for seed in range(20)]
    assert outcomes == ["no difference"] * 20


def test_a_slowdown_of_five_percent_is_called_slower() -> None:
    outcomes = [Summary.of(ratios(seed, 100, 1 / 1.05)).outcome(0.01) for seed in range(20)]
    assert outcomes == ["slower"] * 20


def test_a_speedup_of_five_percent_is_called_faster() -> None:
    assert {Summary.of(ratios(seed, 100, 1.05)).outcome(0.01) for seed in range(20)} == {"faster"}


def test_looking_after_every_round_is_fair() -> None:
    """At most 5 % of the measurements ever exclude the true ratio; a bootstrap that is looked at every time does so far more often."""

    def ever_excluded(interval: Callable[[list[float]], Interval], seed: int, looks: range) -> bool:
        found = ratios(seed, looks.stop)
        return any(not interval(found[:number]).holds(1.0) for number in looks)

    every = range(8, 70)
    assert sum(ever_excluded(confidence_sequence, seed, every) for seed in range(100)) <= 100 * 0.05
    sometimes = range(8, 70, 10)  # a bootstrap takes longer
    assert sum(ever_excluded(bootstrap, seed, sometimes) for seed in range(20)) > 20 * 0.05


@given(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=60))
def test_the_sequence_holds_the_median_and_every_permutation_gives_the_same(found: list[float]) -> None:
    interval = confidence_sequence(found)
    assert interval.holds(median(found))
    assert confidence_sequence(sorted(found, reverse=True)) == interval
    assert (interval.high == math.inf) == (len(found) < 8)


@given(st.lists(st.floats(0.5, 2.0), min_size=8, max_size=60))
def test_swapping_a_and_b_turns_the_interval_around(found: list[float]) -> None:
    swapped = confidence_sequence([1 / ratio for ratio in found])
    interval = confidence_sequence(found)
    assert (swapped.low, swapped.high) == pytest.approx((1 / interval.high, 1 / interval.low))


def test_a_linear_drift_cancels_within_a_round() -> None:
    """The machine becomes 60 % slower over the measurement; blocks A B A B would call B slower."""
    summary = Summary.of(ratios_of(rounds_of(1.0, drift=0.0015), "host"))
    assert summary.interval.holds(1.0)
    assert abs(summary.ratio - 1) < 0.005


def test_the_order_of_the_rounds_alternates() -> None:
    assert [order_of(number) for number in range(4)] == ["ABBA", "BAAB", "ABBA", "BAAB"]
    made = round_of("BAAB", [{"host": value} for value in (1.0, 2.0, 3.0, 4.0)])
    assert made == Round(a=({"host": 2.0}, {"host": 3.0}), b=({"host": 1.0}, {"host": 4.0}))


def blocks(effect: float) -> Callable[[str], dict[str, float]]:
    found: Iterator[Round] = iter(rounds_of(effect, 1000))
    return lambda side: (next(found).a if side == "A" else next(found).b)[0]


def test_a_measurement_stops_when_the_interval_is_narrow_enough() -> None:
    seen: list[int] = []
    rounds, why = run_rounds(blocks(1.2), 200, math.inf, Design(precision=0.02).enough, seen.append)
    assert why == "the interval is narrow enough"
    assert 8 <= len(rounds) < 200
    assert seen == list(range(1, len(rounds) + 1))
    assert Summary.of(ratios_of(rounds, "host")).sequence.width <= 0.02


def test_a_measurement_stops_when_the_budget_is_spent() -> None:
    assert run_rounds(blocks(1.2), 200, -math.inf, Design(precision=0.0).enough, lambda done: None) == ([], "the time is up")
    rounds, why = run_rounds(blocks(1.2), 20, math.inf, Design(precision=0.0).enough, lambda done: None)
    assert (len(rounds), why) == (20, "all rounds are made")


def test_seven_rounds_decide_nothing() -> None:
    summary = Summary.of([1.5] * 7)
    assert summary.outcome(0.01) == "undecided"
    assert "undecided after 7 rounds" in summary.verdict("a", "b", "host time", 0.01)


def test_the_verdict_is_plain() -> None:
    assert comparison(1.2).verdicts()[0].startswith("host time per call: sync_free is faster than reference by 20")
    assert comparison(1 / 1.2).verdicts()[0].startswith("host time per call: sync_free is slower than reference by 19.7%")
    same = comparison(1.0).verdicts()[0]
    assert same.startswith("host time per call: no difference larger than 0.")
    assert "100 rounds" in same


def test_a_difference_smaller_than_asked_for_is_none() -> None:
    assert Summary.of(ratios_of(rounds_of(1.004, 400), "host")).outcome(0.01) == "no difference"


def test_an_a_that_differs_from_itself_and_a_drifting_control_are_doubts() -> None:
    drifting = tuple(
        Round(({**each.a[0], CONTROL: 2e-3}, {**each.a[1], CONTROL: 2e-3}), each.b) for each in rounds_of(1.0, 20)
    )
    doubts = Part("p", rounds_of(1.3, 10), drifting, "").doubts()
    assert len(doubts) == 2
    assert doubts[0].startswith("A differs from itself in host time per call: 1.")
    assert doubts[1].startswith("the control drifts with the choice: ")
    assert comparison().parts[0].doubts() == []


def conforms(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    """Yield how a value breaks the parts of JSON schema that ours uses."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    kinds = {"object": dict, "array": list, "string": str, "number": (int, float), "integer": int, "null": type(None)}
    wanted = schema.get("type")
    if wanted and not any(isinstance(value, kinds[kind]) for kind in ([wanted] if isinstance(wanted, str) else wanted)):
        yield f"{value!r} is not {wanted}"
    if "const" in schema and value != schema["const"]:
        yield f"{value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{value!r} is none of {schema['enum']}"
    if isinstance(value, dict):
        yield from (f"{name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, item in value.items():
            yield from conforms(item, schema.get("properties", {}).get(name) or schema.get("additionalProperties") or {}, root)
    if isinstance(value, list):
        for item in value:
            yield from conforms(item, schema.get("items", {}), root)


SCHEMA = json.loads((Path(__file__).parents[2] / "registry/measuring/data/comparison.schema.json").read_text())


def test_a_file_conforms_to_the_schema_and_is_read_again(tmp_path: Path) -> None:
    found = comparison(1.1, differences=("call 1: element 0",))
    file = tmp_path / "a.json"
    file.write_text(json.dumps(found.as_dict()))
    assert list(conforms(json.loads(file.read_text()), SCHEMA, SCHEMA)) == []
    assert read_comparison(file) == found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "has version 2 of the format, and this syncfree reads 1"),
        ({"format": "other"}, "is not a comparison; syncfree ab --json FILE writes one"),
        ({"parts": [{"name": "x"}]}, "is damaged: KeyError: 'equal'"),
        ({"design": {"speed": 1}}, "is damaged: TypeError"),
    ],
)
def test_a_file_that_is_none_says_so(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps({**comparison().as_dict(), **changes}))
    with pytest.raises(ComparisonError) as caught:
        read_comparison(file)
    assert message in str(caught.value)
    assert "a.json" in str(caught.value)
