"""Reading the sources of a release: from wheels, unpacked wheels, and through the real pip from a folder of wheels."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from syncfree import SelectionError
from syncfree.fingerprints._wheels import FetchError, Index, Sources, cache_folder, open_wheel, public

from .made_up_wheels import make_wheel, use_index

FILES = {"made_up/__init__.py": "é = 1\n", "made_up/work.py": "a = 1\r\nb = 2\r\n", "made_up/deep/er.py": "c = 3\n"}
MODULES = ("made_up", "made_up.work", "made_up.deep.er", "made_up.deep", "made_up.absent", "made_up.kernels")
TEXTS = {"made_up": "é = 1\n", "made_up.work": "a = 1\nb = 2\n", "made_up.deep.er": "c = 3\n"}


def test_a_wheel_gives_the_modules_that_it_has(tmp_path: Path) -> None:
    sources = open_wheel(make_wheel(tmp_path, "made_up", "1.0.post1", FILES))
    assert (sources.distribution, sources.release) == ("made-up", "1.0.post1")
    assert dict(sources.texts(MODULES)) == TEXTS


def test_an_unpacked_wheel_gives_the_same(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "made_up", "1.0+cpu", FILES)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    sources = open_wheel(tmp_path / "unpacked")
    assert (sources.distribution, sources.release) == ("made-up", "1.0")
    assert dict(sources.texts(MODULES)) == TEXTS == dict(open_wheel(wheel).texts(MODULES))


def test_a_release_is_named_without_its_local_part() -> None:
    assert public("0.32.0+cpu") == "0.32.0"
    assert public("0.5.12.post1") == "0.5.12.post1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.whl", "absent.whl does not exist"),
        ("sources.tar.gz", "is not a wheel"),
        ("made_up-1.0-py3-none-any.whl", "is not a zip file; download it again"),
        ("empty", "it has 0 .*dist-info folders instead of one"),
        ("odd", "odd.dist-info names no version"),
    ],
)
def test_what_is_no_wheel_is_refused_with_the_reason(tmp_path: Path, name: str, message: str) -> None:
    for file in ("sources.tar.gz", "made_up-1.0-py3-none-any.whl"):
        (tmp_path / file).write_text("not a zip file")
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd/odd.dist-info").mkdir(parents=True)
    with pytest.raises(SelectionError, match=message):
        open_wheel(tmp_path / name)


def damage(file: Path) -> None:
    """Overwrite what the members hold; the directory at the end stays, so it is still a zip file."""
    content = bytearray(file.read_bytes())
    start = content.index(b"PK\3\4") + 60
    content[start : content.index(b"PK\1\2") - 8] = b"\xff" * (content.index(b"PK\1\2") - 8 - start)
    file.write_bytes(content)


def test_a_damaged_wheel_is_named_with_what_to_do(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "made_up", "1.0", FILES)
    sources = open_wheel(wheel)
    damage(wheel)
    with pytest.raises(SelectionError, match=r"made_up-1\.0-py3-none-any\.whl cannot be read: .*; delete it, and download it again"):
        dict(sources.texts(MODULES))


def test_an_unpacked_wheel_whose_source_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "made_up-1.0.dist-info").mkdir()
    (tmp_path / "made_up").mkdir()
    (tmp_path / "made_up/work.py").write_bytes(b"\xff")
    with pytest.raises(SelectionError, match="cannot be read"):
        dict(open_wheel(tmp_path).texts(["made_up.work"]))


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the index: two distributions of one package."""
    folder = tmp_path / "wheels"
    for project, versions in (("made_up", ["0.9", "0.10", "0.11rc1"]), ("made_up_cpu", ["0.9", "0.9.post1"])):
        for version in versions:
            make_wheel(folder, project, version, {**FILES, "made_up/origin.py": f"# {project} {version}\n"})
    use_index(monkeypatch, folder, tmp_path / "cache")
    return folder


def _origin(sources: Sources) -> str:
    return dict(sources.texts(["made_up.origin"]))["made_up.origin"]


def test_the_index_lists_the_releases_of_all_distributions_without_pre_releases(wheels: Path) -> None:
    assert Index(["made-up-cpu", "made_up"]).releases() == ["0.9", "0.9.post1", "0.10"]


def test_a_release_comes_from_the_first_distribution_that_has_it(wheels: Path) -> None:
    index = Index(["made-up-cpu", "made_up"])
    assert _origin(index.sources("0.9")) == "# made_up_cpu 0.9\n"
    assert _origin(index.sources("0.10")) == "# made_up 0.10\n"
    assert index.sources("0.10").distribution == "made-up"


def test_a_downloaded_release_is_kept_and_only_its_sources_are(wheels: Path) -> None:
    Index(["made-up"]).sources("0.9")
    for wheel in wheels.glob("*.whl"):
        wheel.unlink()
    kept = Index(["made-up"]).sources("0.9")
    assert kept.path.parent == cache_folder()
    assert dict(kept.texts(MODULES)) == TEXTS
    with zipfile.ZipFile(kept.path) as archive:
        assert {Path(name).suffix for name in archive.namelist()} == {".py"}
    assert list(cache_folder().iterdir()) == [kept.path]


def test_an_unknown_release_suggests_the_nearest(wheels: Path) -> None:
    with pytest.raises(SelectionError, match=r"made-up: no release '0\.9\.1'; the nearest are 0\.9, 0\.10\n"):
        Index(["made-up"]).sources("0.9.1")


def test_a_distribution_that_pip_cannot_find_is_an_error_in_pips_words(wheels: Path) -> None:
    with pytest.raises(FetchError, match="`pip index versions there-is-none` failed: ERROR: No matching distribution"):
        Index(["there_is_none"]).releases()


def test_a_damaged_download_is_named_and_not_kept(wheels: Path, tmp_path: Path) -> None:
    for wheel in wheels.glob("*.whl"):
        damage(wheel)
    index = Index(["made_up"], tmp_path / "cache")
    release = index.releases()[-1]
    with pytest.raises(FetchError, match=r"damaged|failed"):
        index.sources(release)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named_with_what_to_do(wheels: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    index = Index(["made_up"], tmp_path / "file" / "cache")
    with pytest.raises(FetchError, match=r"file/cache cannot hold the sources of made-up .*; make room or set XDG_CACHE_HOME"):
        index.sources(index.releases()[-1])
