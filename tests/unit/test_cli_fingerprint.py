"""``syncfree fingerprint`` on a framework made for the test, through the real pip from a folder of wheels."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from syncfree import SelectionError
from syncfree._runtime import Runtime
from syncfree.adapting import Adapter, Binding, Form
from syncfree.cli import _app, fingerprint
from syncfree.fingerprints._recorder import WatchListError, check_installed
from syncfree.fingerprints._releases import ReleaseDataError, Releases, read_releases

from .made_up import GATHER, REDUCE, SLOW, MadeUp
from .made_up_wheels import make_wheel, use_index

FAST = SLOW.replace('["upstream", ', '["fast", ')
WITHOUT = "class Sampler:\n    def other(self): ...\n"
SOURCES = {"1.0": SLOW, "1.1": SLOW, "2.0": FAST, "2.1": WITHOUT}
HELPER = "made_up.work:Sampler.other"


class Shell:
    """Runs the command in this process."""

    def __init__(self, made_up: MadeUp) -> None:
        self.made_up = made_up
        self.file = made_up.folder / "made_up_adapter/releases.json"
        self.file.parent.mkdir()
        (self.file.parent / "__init__.py").write_text("")
        self.adapter = made_up.adapter(Binding("dp_all_reduce", (REDUCE,), (Form(">=1", "stalls", "", None),), (GATHER,)))

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(_app.app, ["fingerprint", *arguments])

    def record(self, *arguments: str) -> Releases:
        result = self.run("made_up", *arguments)
        assert result.exit_code == 0, result.output
        return read_releases(self.file)

    def refused(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert isinstance(result.exception, SelectionError), result.output
        return str(result.exception)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels, with the cache of what was read beside it: pip is slow, and the tests only read."""
    folder = tmp_path_factory.mktemp("index")
    for version, source in SOURCES.items():
        make_wheel(folder / "wheels", "made_up", version, {"made_up/__init__.py": "", "made_up/work.py": source})
    return folder


@pytest.fixture
def shell(made_up: MadeUp, runtime: Runtime, index: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr(fingerprint, "RUNTIME", runtime)
    for version, source in SOURCES.items():
        made_up.release(version, source)
    use_index(monkeypatch, index / "wheels", index / "cache")
    return Shell(made_up)


def _shape(releases: Releases, target: str) -> list[int | None]:
    """For each release, the number of the body it has, counted as they appear; None: it has none."""
    records = [releases.record(target, name) for name in releases.releases()]
    numbers = {record: number for number, record in enumerate(dict.fromkeys(filter(None, records)))}
    return [None if record is None else numbers[record] for record in records]


def test_every_release_of_a_range_is_recorded(shell: Shell) -> None:
    found = shell.record("--from", ">=1.1")
    assert found.releases() == ("1.1", "2.0", "2.1")
    assert _shape(found, REDUCE) == [0, 1, None]
    assert _shape(found, GATHER) == [0, 0, None]


def test_a_release_joins_those_that_are_recorded(shell: Shell) -> None:
    shell.record("--from", ">=1.1")
    assert _shape(shell.record("--release", "1.0"), REDUCE) == [0, 0, 1, None]


def test_recorded_releases_are_not_read_again(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shell.record("--from", ">=1")
    use_index(monkeypatch, tmp_path / "no wheels", tmp_path / "no cache")
    assert shell.record() == before


def test_a_new_function_is_looked_for_in_every_recorded_release(shell: Shell) -> None:
    shell.record("--from", ">=1")
    (shell.file.parent / "watched.txt").write_text(f"# a comment\n\n{HELPER}  # another\n")
    result = shell.run("made_up")
    assert "2.1: 1 of 1 functions" in result.output
    assert _shape(read_releases(shell.file), HELPER) == [None, None, None, 0]
    assert _shape(read_releases(shell.file), REDUCE) == [0, 0, 1, None]


def test_a_function_of_no_release_is_pointed_out(shell: Shell) -> None:
    (shell.file.parent / "watched.txt").write_text("made_up.work:Sampler.gahter\n")
    assert "in no release: made_up.work:Sampler.gahter" in shell.run("made_up", "--release", "1.0").output


@pytest.mark.parametrize("line", ["made_up.work", "made_up.work:", "other.work:f", "made_up.work:f()", "made_up.work:a b"])
def test_a_line_of_the_watch_list_that_names_no_function_is_an_error_with_its_place(shell: Shell, line: str) -> None:
    (shell.file.parent / "watched.txt").write_text(f"{REDUCE}\n{line}\n")
    error = shell.run("made_up", "--release", "1.0").exception
    assert isinstance(error, WatchListError)
    assert "watched.txt:2" in str(error)


def test_a_wheel_that_is_given_replaces_what_was_recorded(shell: Shell, tmp_path: Path) -> None:
    shell.record("--from", ">=1")
    wheel = make_wheel(tmp_path / "other", "made_up", "1.0+cpu", {"made_up/work.py": FAST})
    assert _shape(shell.record("--wheel", str(wheel)), REDUCE) == [0, 1, 0, None]


def test_output_leaves_the_adapters_file_alone(shell: Shell, tmp_path: Path) -> None:
    result = shell.run("made_up", "--release", "1.0", "--output", str(tmp_path / "mine.json"))
    assert result.exit_code == 0
    assert read_releases(tmp_path / "mine.json").releases() == ("1.0",)
    assert not shell.file.exists()


def test_a_file_that_cannot_be_written_is_an_error_that_names_it(shell: Shell, tmp_path: Path) -> None:
    nowhere = tmp_path / "no [red]folder[/]" / "mine.json"
    message = shell.refused("made_up", "--release", "1.0", "--output", str(nowhere))
    assert message == f"{nowhere} cannot be written: No such file or directory; give another --output"


def test_check_accepts_what_is_recorded(shell: Shell) -> None:
    shell.record("--from", ">=1")
    before = shell.file.read_bytes()
    result = shell.run("made_up", "--check", "--from", ">=1")
    assert (result.exit_code, shell.file.read_bytes()) == (0, before)
    assert "is up to date" in result.output


def test_check_says_what_differs_and_fails(shell: Shell, tmp_path: Path) -> None:
    shell.record("--from", ">=1")
    changed = make_wheel(tmp_path / "other", "made_up", "1.0", {"made_up/work.py": FAST})
    new = make_wheel(tmp_path / "other", "made_up", "3.0", {"made_up/work.py": FAST})
    result = shell.run("made_up", "--check", "--wheel", str(changed), "--wheel", str(new))
    assert result.exit_code == 1
    first, second = result.output.splitlines()
    assert first.startswith(f"{REDUCE} of made_up 1.0: recorded (local, rank, size, group, device) sha256:")
    assert second == "made_up 3.0 is not recorded; add it with `syncfree fingerprint made_up --release 3.0`"


def test_check_compares_with_what_is_installed(shell: Shell) -> None:
    shell.record("--release", "1.0", "--release", "2.0")
    shell.made_up.install("1.0")
    assert shell.run("made_up", "--check").exit_code == 0
    assert check_installed(shell.adapter) == []
    shell.made_up.install("1.0", FAST)
    assert shell.run("made_up", "--check").exit_code == 1
    (problem,) = check_installed(shell.adapter)
    assert problem.startswith(f"{REDUCE} of made_up 1.0: recorded")


def test_check_notices_a_function_that_is_gone_or_not_recorded(shell: Shell) -> None:
    shell.record("--release", "1.0")
    shell.made_up.install("1.0", WITHOUT)
    (shell.file.parent / "watched.txt").write_text(f"{HELPER}\n")
    gather, helper, reduce = check_installed(shell.adapter)
    assert gather.endswith("found nothing")
    assert reduce.endswith("found nothing")
    assert helper == f"{HELPER} is not recorded; run `syncfree fingerprint made_up`"


def test_check_without_anything_installed_fails(shell: Shell) -> None:
    shell.record("--release", "1.0")
    result = shell.run("made_up", "--check")
    assert (result.exit_code, result.output) == (1, "made_up is not installed: nothing to compare with\n")


def test_a_file_that_was_edited_is_written_anew_only_when_releases_are_named(shell: Shell) -> None:
    shell.record("--from", ">=1")
    shell.file.write_text(shell.file.read_text().replace('"1.1"', '"1.2"'))
    read_releases.cache_clear()
    assert isinstance(shell.run("made_up").exception, ReleaseDataError)
    result = shell.run("made_up", "--release", "2.0")
    assert "changed by hand" in result.output
    assert read_releases(shell.file).releases() == ("2.0",)


def test_an_unknown_framework_suggests_the_nearest(shell: Shell) -> None:
    assert (
        shell.refused("made_pu", "--release", "1.0")
        == "syncfree: no adapter for 'made_pu'; did you mean 'made_up'? Known: made_up"
    )


def test_an_unknown_release_suggests_the_nearest(shell: Shell) -> None:
    assert "no release '1.5'; the nearest are 1.0, 1.1, 2.0, 2.1" in shell.refused("made_up", "--release", "1.5")


def test_an_unknown_distribution_suggests_the_nearest(shell: Shell) -> None:
    assert "did you mean 'made-up'?" in shell.refused("made_up", "--release", "1.0", "--distribution", "made-upp")


def test_a_wheel_of_another_project_is_refused(shell: Shell, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "another", "1.0", {})
    assert "made_up is not distributed as 'another'" in shell.refused("made_up", "--wheel", str(wheel))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "1.0"), "a range is written like"),
        (("--from", ">=9"), "no release of made-up is >=9; the newest is 2.1"),
        (("--release", "newest"), "a release is written like"),
        ((), "name some with --release, --from or --wheel"),
    ],
)
def test_a_wrong_option_is_explained(shell: Shell, arguments: tuple[str, ...], message: str) -> None:
    assert message in shell.refused("made_up", *arguments)


def test_a_file_of_another_framework_is_not_overwritten(shell: Shell) -> None:
    shell.record("--release", "1.0")
    home = shell.file.parent
    other = Adapter("other", "made_up", ("made-up",), (), home=home.name)
    shell.made_up.runtime.adapters().add(other)
    assert "is of made_up, not of other" in shell.refused("other", "--release", "1.0")
