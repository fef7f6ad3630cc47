"""The rule table: each row with a case holds on the simulated device, and its page is what is generated."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from syncfree.audit import Kind, Report, _calibration_kept
from syncfree.audit._rules import RULES, find, replacement

if TYPE_CHECKING:
    from syncfree.audit._calibration_cases import Case

ROOT = Path(__file__).parents[2]


def _cases() -> list[Case]:
    from syncfree.audit._calibration_cases import CASES

    return list(CASES)


def _release() -> str:
    return version("torch")


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case.code)
def test_an_operation_waits_as_often_as_the_table_says(case: Case, sync_audit: Report) -> None:
    import torch

    from syncfree.audit import audit

    operands = case.prepare()
    with audit() as report:
        case.run(*operands)
    assert [report.count, len(report.soft)] == case.expected(torch.__version__)
    assert torch.cuda.is_available()


@pytest.mark.parametrize("case", [case for case in _cases() if sum(case.expected(_release()))], ids=lambda case: case.code)
def test_what_an_operation_records_is_explained_by_a_row_that_waits(case: Case, sync_audit: Report) -> None:
    from syncfree.audit import audit

    operands = case.prepare()
    with audit() as report:
        case.run(*operands)
    for sync in report:
        rule = find(sync.kind, sync.op, hard=sync.hard, source="")
        assert rule.waits == ("yes" if sync.hard else "driver")
        assert rule.replacement


def test_every_row_has_a_case() -> None:
    assert {rule.name for rule in RULES} == {case.rule for case in _cases()}


def test_rows_that_wait_say_what_to_do_instead_and_others_do_not() -> None:
    for rule in RULES:
        assert bool(rule.replacement) == (rule.waits != "no"), rule.name
        assert bool(rule.kinds) == (rule.waits != "no"), rule.name
        assert not rule.torch or rule.waits != "no", f"{rule.name}: outside its releases a row does not wait"


@pytest.mark.parametrize(
    ("release", "expected"),
    [("2.13.0+cu130", [1, 0]), ("2.14.1", [1, 0]), ("2.15.0+cu132", [0, 0]), ("2.15.0.dev20260901+cu132", [0, 0])],
)
def test_the_table_s_numbers_are_those_of_the_release(release: str, expected: list[int]) -> None:
    (case,) = (case for case in _cases() if case.code == "x[3] = 1")
    assert case.expected(release) == expected


def test_every_kind_has_a_replacement_for_any_operator() -> None:
    for kind in Kind:
        assert replacement(kind, "aten::never_heard_of", hard=True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("y = torch.tensor([1, 2], device=device)", "tensor-from-host-data"),
        ("index = index.to(device)", "upload"),
        ("logits[last] = -inf", "store-into-0-dim"),
    ],
)
def test_the_line_of_code_tells_uploads_apart(source: str, expected: str) -> None:
    assert find(Kind.H2D, "aten::copy_", hard=True, source=source).name == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("for _ in range(x.item()):", "item"),
        ("x = torch.linalg.solve(R, b)", "solve"),
        ("s = self.sigmas[index]", "index-with-device-scalar"),
        ("if done:", "implicit-item"),
    ],
)
def test_the_line_of_code_tells_reads_apart(source: str, expected: str) -> None:
    assert find(Kind.ITEM, "aten::_local_scalar_dense", hard=True, source=source).name == expected


def test_the_page_is_what_the_table_generates() -> None:
    from syncfree.audit.rules_page import render

    assert (ROOT / "docs" / "sync-rules.md").read_text() == render(), "run python -m syncfree.audit.rules_page"


def test_the_page_claims_no_confirmation_without_a_gpu_result() -> None:
    if not _calibration_kept.kept("cuda"):
        assert {_calibration_kept.confirmed(rule.name, "cuda") for rule in RULES} == {"not yet"}


@pytest.mark.parametrize("backend", ["simulated", "dry-run"])
def test_the_kept_results_are_of_today_s_cases_and_agree_with_the_table(backend: str) -> None:
    results = _calibration_kept.kept(backend)
    assert results
    for result in results:
        assert set(result["counts"]) == {case.code for case in _cases()}
        assert _calibration_kept.differences(result, _calibration_kept.others(result)) == []


def test_every_row_names_the_releases_whose_own_code_confirmed_it() -> None:
    releases = ", ".join(_calibration_kept.release(result) for result in _calibration_kept.kept("dry-run"))
    assert {_calibration_kept.confirmed(rule.name, "dry-run") for rule in RULES} == {releases}


def _changed(**changes: Any) -> dict[str, Any]:
    (result,) = (result for result in _calibration_kept.kept("simulated") if _calibration_kept.release(result) == "2.13.0")
    return result | {"backend": "cuda", "counts": result["counts"] | changes.get("counts", {})} | {
        name: value for name, value in changes.items() if name != "counts"
    }


def test_calibration_reports_each_difference() -> None:
    code = _cases()[0].code
    changed = _changed(counts={code: [7, 0]})
    (simulated,) = (other for other in _calibration_kept.others(changed) if other["backend"] == "simulated")
    assert _calibration_kept.differences(changed, [simulated]) == [
        f"{code}: [7, 0] on cuda, [1, 0] in the rule table",
        f"{code}: [7, 0] on cuda, [1, 0] on simulated",
    ]


def test_a_wait_that_a_gpu_shows_is_held_against_the_table() -> None:
    seen = {case.code: case.expected("2.13.0")[0] > 0 for case in _cases()}
    assert _calibration_kept.differences(_changed(waits=seen), []) == []
    assert _calibration_kept.differences(_changed(waits=seen | {"x[3]": True}), []) == [
        "x[3]: the host waited for a kernel that was still running, [0, 0] in the rule table"
    ]


def test_a_release_that_does_not_confirm_a_row_is_named_with_the_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in (("2.13.0+cu130", [1, 0]), ("2.14.1+cu130", [2, 0])):
        _calibration_kept.keep(_changed(torch=name, counts={"x.tolist()": count}), tmp_path)
    results = _calibration_kept.kept("cuda", tmp_path)
    monkeypatch.setattr(_calibration_kept, "kept", lambda backend: results)
    assert _calibration_kept.confirmed("tolist", "cuda") == "2.13.0; **not** 2.14.1: `x.tolist()`"
    assert _calibration_kept.confirmed("equal", "cuda") == "2.13.0, 2.14.1"
