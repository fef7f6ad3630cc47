"""Overlays: everything of the base, everything of their own, and a base that stays as it was."""

from __future__ import annotations

from pathlib import Path

from tests.environments import build, overlay

from .conftest import Overlay

SPAWN = """
import multiprocessing, sys

def child(results):
    import torch, syncfree
    results.put((sys.prefix, syncfree.__file__, "_syncfree_site" in sys.modules))

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=child, args=(results,))
    process.start()
    print(*results.get(timeout=120))
    process.join()
"""


def test_sees_the_packages_of_the_base_and_their_metadata(empty: Overlay) -> None:
    program = "import sys, tqdm; from importlib.metadata import version; print(sys.prefix, tqdm.__file__, version('tqdm'))"
    prefix, file, version = empty.says(program).split()
    assert prefix == str(empty.home)
    assert Path(file).is_relative_to(build("dev"))
    assert version


def test_commands_of_the_base_run_under_the_overlay(empty: Overlay) -> None:
    (empty.home / "test_it.py").write_text(f"import sys\ndef test_prefix():\n    assert sys.prefix == {str(empty.home)!r}\n")
    assert "1 passed" in empty.run("pytest", "-p", "no:cacheprovider", "test_it.py").stdout


def test_spawned_children_are_in_the_overlay(installed: Overlay) -> None:
    program = installed.home / "spawn.py"
    program.write_text(SPAWN)
    prefix, file, site_ran = installed.run("python", program).stdout.split()
    assert prefix == str(installed.home)
    assert Path(file).is_relative_to(installed.home)
    assert site_ran == "True"


def test_pip_in_an_overlay_does_not_touch_the_base(empty: Overlay) -> None:
    finished = empty.run("python", "-m", "pip", "uninstall", "--yes", "tqdm")
    assert "outside environment" in finished.stdout + finished.stderr
    assert empty.says("import tqdm; print('there')") == "there"


def test_a_folder_before_the_base_hides_what_the_base_has(tmp_path: Path) -> None:
    older = tmp_path / "older"
    (older / "tqdm").mkdir(parents=True)
    (older / "tqdm" / "__init__.py").write_text("")
    (older / "tqdm-1.0.dist-info").mkdir()
    (older / "tqdm-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: tqdm\nVersion: 1.0\n")
    home = tmp_path / "overlay"
    overlay("dev", before=(older,), directory=home)
    program = "import tqdm; from importlib.metadata import version; print(tqdm.__file__, version('tqdm'))"
    file, version = Overlay(home).says(program).split()
    assert Path(file).is_relative_to(older)
    assert version == "1.0"
