"""The releases that a form covers, and whose code it fits: closed ranges as written, open ones by what was recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from syncfree._adapters import Adapters
from syncfree._form_ranges import FormRange, covering, form_ranges
from syncfree.adapting import Adapter, Form
from syncfree.fingerprints._fingerprint import FunctionRecord
from syncfree.fingerprints._releases import Releases, load_releases

from .made_up import REDUCE, compose_reduce, reduce_binding

OLD, NEW, ODD = (FunctionRecord("(x)", f"sha256:{digit}") for digit in range(3))
SHIPPED = sorted(Adapters().discover(), key=lambda adapter: adapter.framework)
RECORDED = Releases(
    "made_up", ("1.0", "1.1", "1.10", "2.0"), {REDUCE: {"1.0": OLD, "1.1": NEW, "1.10": ODD, "2.0": ODD}}
)


def the_range(releases: str, reviewed: str | None = None, recorded: Releases = RECORDED) -> FormRange:
    binding = reduce_binding(Form(releases, "stalls", "it stalls", (compose_reduce,)))
    adapter = Adapter("made_up", "made_up", ("made-up",), (binding,), home="made_up_adapter", reviewed=reviewed)
    (found,) = form_ranges(adapter, binding, recorded)
    return found


@pytest.mark.parametrize(
    ("written", "closed"),
    [(">=1.1", ">=1.1,<=2.0"), (">1.0", ">1.0,<=2.0"), ("!=1.1", "!=1.1,<=2.0"), (">=2.0", ">=2.0,<=2.0")],
)
def test_an_open_range_ends_at_the_newest_recorded_release(written: str, closed: str) -> None:
    found = the_range(written)
    assert found.form.releases == closed
    assert found.covers(Version("2.0+cpu"))
    assert not found.covers(Version("2.0.post1"))


@pytest.mark.parametrize("written", [">=1.1,<9.1", ">=1.1,<=9", "==9", "==9.*", "===9", "~=9.0"])
def test_a_closed_range_is_taken_as_it_is_written(written: str) -> None:
    """Beyond the newest recorded release, too."""
    found = the_range(written)
    assert found.form.releases == written
    assert found.covers(Version("9"))


def test_an_open_range_without_any_recorded_release_stays_open() -> None:
    assert the_range(">=1.1", recorded=Releases("made_up", (), {})).form.releases == ">=1.1"


@pytest.mark.parametrize(
    ("reviewed", "known"),
    [(None, [OLD]), ("0.9", [OLD]), ("1.0", [OLD]), ("1.1", [OLD, NEW]), ("1.9", [OLD, NEW]), ("2.0", [OLD, NEW, ODD, ODD])],
)
def test_an_open_form_fits_the_code_that_was_reviewed(reviewed: str | None, known: list[FunctionRecord]) -> None:
    assert the_range(">=1.0", reviewed).known(REDUCE) == known


def test_a_form_that_begins_after_what_was_reviewed_fits_its_first_release() -> None:
    assert the_range(">=1.1", "1.0").known(REDUCE) == [NEW]


def test_an_open_form_fits_the_first_release_that_has_the_function() -> None:
    later = replace(RECORDED, seen={REDUCE: {"1.10": NEW, "2.0": ODD}})
    assert the_range(">=1.0", recorded=later).known(REDUCE) == [NEW]


def test_a_closed_form_fits_the_code_of_every_recorded_release_in_it() -> None:
    assert the_range(">=1.0,<2").known(REDUCE) == [OLD, NEW, ODD]


@pytest.mark.parametrize(("version", "covered"), [("1.1", True), ("1.1rc1", False), ("2.1", False), (None, False)])
def test_a_version_is_covered_by_the_form_of_its_range(version: str | None, covered: bool) -> None:
    ranges = (the_range(">=1.1"),)
    assert covering(ranges, None if version is None else Version(version)) == (ranges[0] if covered else None)


@pytest.mark.parametrize("adapter", SHIPPED, ids=lambda adapter: adapter.framework)
def test_no_shipped_form_ends_at_a_release_that_only_happened_to_be_the_newest(adapter: Adapter) -> None:
    """``<0.22`` says that the code changed there; ``<=0.33.0`` would say when somebody last looked."""
    clauses = [clause for binding in adapter.bindings for form in binding.forms for clause in SpecifierSet(form.releases)]
    assert {clause.operator for clause in clauses} <= {">=", "<"}


@pytest.mark.parametrize("adapter", SHIPPED, ids=lambda adapter: adapter.framework)
def test_what_a_shipped_adapter_has_reviewed_was_recorded(adapter: Adapter) -> None:
    assert adapter.reviewed in load_releases(adapter.home).names
