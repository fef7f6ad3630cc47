"""The release data files: how they are kept, and what those that ship say about the shipped adapters."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from syncfree._adapters import Adapters
from syncfree.adapting import Adapter, Binding, Form
from syncfree.fingerprints._fingerprint import FunctionRecord
from syncfree.fingerprints._recorder import targets_of
from syncfree.fingerprints._releases import (
    FILE_NAME,
    ReleaseDataError,
    Releases,
    load_releases,
    read_releases,
    write_releases,
)

SHIPPED = sorted(Adapters().discover(), key=lambda adapter: adapter.framework)
BINDINGS = [
    pytest.param(adapter, binding, id=f"{adapter.framework}-{binding.label}")
    for adapter in SHIPPED
    for binding in adapter.bindings
]
RECORDS = st.builds(FunctionRecord, st.sampled_from(["()", "(x)"]), st.sampled_from(["sha256:0", "sha256:1"]))
VERSIONS = st.sampled_from(["0.9", "0.10.0", "0.10.0.post1", "1.0rc1", "1.0"])


def example() -> Releases:
    old, new = FunctionRecord("(x)", "sha256:0"), FunctionRecord("(x, y=1)", "sha256:1")
    return Releases("made_up", ("0.9", "0.10", "0.10.post1"), {"made_up.a:f": {"0.9": old, "0.10": new}, "made_up.a:g": {}})


@settings(deadline=None)
@given(st.sets(VERSIONS), st.dictionaries(st.sampled_from(["a:f", "a:C.g"]), st.dictionaries(VERSIONS, RECORDS)))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], seen: dict[str, dict[str, FunctionRecord]]
) -> None:
    path = tmp_path_factory.mktemp("written") / FILE_NAME
    known = {target: {name: record for name, record in by.items() if name in names} for target, by in seen.items()}
    write_releases(path, Releases("made_up", tuple(names), known))
    found = read_releases(path)
    assert found.framework == "made_up"
    assert list(found.releases()) == sorted(names, key=Version)
    assert set(found.targets()) == set(known)
    for target in known:
        assert {name: found.record(target, name) for name in names} == {name: known[target].get(name) for name in names}


def test_the_order_in_which_releases_were_read_does_not_matter(tmp_path: Path) -> None:
    releases = example()
    turned = Releases(
        "made_up", releases.names[::-1], {t: dict(reversed(by.items())) for t, by in reversed(releases.seen.items())}
    )
    write_releases(tmp_path / "one", releases)
    write_releases(tmp_path / "other", turned)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize(
    "edit", [('"0.9"', '"0.8"'), ("sha256:1", "sha256:2"), ("(x)", "(y)"), ("made_up.a:g", "made_up.a:h")]
)
def test_an_edit_by_hand_is_noticed(tmp_path: Path, edit: tuple[str, str]) -> None:
    path = tmp_path / FILE_NAME
    write_releases(path, example())
    text = path.read_text("utf-8")
    assert edit[0] in text
    path.write_text(text.replace(*edit), "utf-8")
    read_releases.cache_clear()
    with pytest.raises(ReleaseDataError, match=r"changed by hand.*syncfree fingerprint"):
        read_releases(path)


def test_another_layout_of_the_same_content_is_no_edit(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    write_releases(path, example())
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")), indent=4), "utf-8")
    read_releases.cache_clear()
    assert read_releases(path) == example()


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"format": 0}', '{"format": "1"}'])
def test_a_file_that_is_missing_or_of_another_format_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / FILE_NAME
    if text is not None:
        path.write_text(text, "utf-8")
    with pytest.raises(ReleaseDataError, match="syncfree fingerprint"):
        read_releases(path)


@pytest.mark.parametrize("home", ["json.decoder", "there_is_no_such_package"])
def test_a_home_that_is_no_package_is_refused(home: str) -> None:
    with pytest.raises(ReleaseDataError, match="not a package"):
        load_releases(home)


def test_every_framework_ships_its_releases() -> None:
    assert [adapter.framework for adapter in SHIPPED] == ["diffusers", "sglang", "sglang-srt", "vllm", "vllm-omni"]


@pytest.mark.parametrize("adapter", SHIPPED, ids=lambda adapter: adapter.framework)
def test_every_function_that_an_adapter_names_is_recorded(adapter: Adapter) -> None:
    recorded = load_releases(adapter.home)
    assert recorded.framework == adapter.framework
    assert set(targets_of(adapter)) == set(recorded.targets())


@pytest.mark.parametrize("adapter", SHIPPED, ids=lambda adapter: adapter.framework)
def test_no_recorded_function_is_in_no_release(adapter: Adapter) -> None:
    """It would be a name that was mistyped."""
    recorded = load_releases(adapter.home)
    assert [target for target in recorded.targets() if not recorded.seen[target]] == []


@pytest.mark.parametrize(("adapter", "binding"), BINDINGS)
def test_every_form_has_a_release_with_all_its_functions(adapter: Adapter, binding: Binding) -> None:
    for form in binding.forms:
        assert _bodies(adapter, binding, form), f"no release of {form.releases} was recorded"


@pytest.mark.parametrize(("adapter", "binding"), BINDINGS)
def test_no_code_is_both_bound_by_default_and_upstreamed(adapter: Adapter, binding: Binding) -> None:
    """The same code on both sides would say that the ranges of two forms meet at the wrong release."""
    for one, other in combinations(binding.forms, 2):
        with_same_torch = one.torch == other.torch or not (one.torch and other.torch)
        if one.status != other.status and with_same_torch:
            assert not _bodies(adapter, binding, one) & _bodies(adapter, binding, other), f"{one.releases}, {other.releases}"


def _bodies(adapter: Adapter, binding: Binding, form: Form) -> set[tuple[str, ...]]:
    """The fingerprints of the binding's functions in the releases of a form that have all of its targets."""
    recorded = load_releases(adapter.home)
    releases = [name for name in recorded.releases() if SpecifierSet(form.releases).contains(name)]
    complete = [name for name in releases if all(recorded.record(target, name) for target in binding.targets)]
    found = [[recorded.record(target, name) for target in (*binding.targets, *binding.depends)] for name in complete]
    return {tuple(record.fingerprint if record else "" for record in records) for records in found}
