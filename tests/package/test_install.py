"""Installing and removing the wheel in a real environment, and what every Python process there pays for it."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path

from tests.environments import wheel

from .conftest import Overlay

ENTRY_POINTS = """
import json
from importlib.metadata import distribution
print(json.dumps([[e.group, e.name, e.value] for e in distribution("syncfree").entry_points]))
"""


def test_uninstalling_leaves_nothing_behind(empty: Overlay) -> None:
    before = empty.contents()
    empty.run("python", "-m", "pip", "install", "--no-deps", wheel())
    added = empty.contents() - before
    assert {name for name in added if "site-packages" not in name} == {"bin/syncfree"}
    assert {"syncfree.pth", "_syncfree_site.py", "__init__.py"} <= {name.split("/")[-1] for name in added}

    empty.run("syncfree", "--help")
    empty.run("python", "-m", "pip", "uninstall", "--yes", "syncfree")
    assert empty.contents() == before


def test_uninstalling_removes_what_python_compiled(empty: Overlay) -> None:
    before = empty.contents()
    empty.run("python", "-m", "pip", "install", "--no-deps", wheel())
    empty.run("python", "-c", "import syncfree.cli", PYTHONDONTWRITEBYTECODE="")
    empty.run("python", "-m", "pip", "uninstall", "--yes", "syncfree")
    assert empty.contents() == before


def test_every_entry_point_names_something_that_exists(installed: Overlay) -> None:
    found = [EntryPoint(name, value, group) for group, name, value in json.loads(installed.says(ENTRY_POINTS))]
    assert {point.group for point in found} >= {
        "console_scripts",
        "syncfree",
        "syncfree.adapters",
        "vllm.general_plugins",
        "sglang.multimodal_gen.plugins",
        "sglang.srt.plugins",
    }
    for point in found:
        loads = f"from importlib.metadata import EntryPoint; EntryPoint({point.name!r}, {point.value!r}, 'any').load()"
        installed.says(loads)


def test_the_site_file_runs_in_every_process_and_imports_no_package(installed: Overlay) -> None:
    program = "import sys; print('_syncfree_site' in sys.modules, 'syncfree' in sys.modules, 'pluggy' in sys.modules)"
    assert installed.says(program) == "True False False"


def test_pytest_says_nothing_about_it(installed: Overlay, tmp_path: Path) -> None:
    test = tmp_path / "test_nothing.py"
    test.write_text("def test_nothing(): pass\n")
    said = installed.run("python", "-m", "pytest", "-W", "error", "--rootdir", tmp_path, test).stdout
    assert "1 passed" in said
    assert "warning" not in said.lower()


def test_python_starts_in_silence_when_only_the_pth_file_is_left(installed: Overlay) -> None:
    (module,) = installed.home.glob("lib/*/site-packages/_syncfree_site.py")
    module.unlink()
    assert installed.says("print('started')") == "started"


def test_the_three_folders_are_one_package(installed: Overlay) -> None:
    program = (
        "import sys, syncfree.plugins, syncfree.adapters; print({'registry', 'plugins', 'adapters'} & set(sys.modules))"
    )
    assert installed.says(program) == "set()"
