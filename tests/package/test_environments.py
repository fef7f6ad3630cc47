"""The cache and the specs of the test environments."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.environments import build, content_key, load, made_once, names, python_of, release

ROOT = Path(__file__).parents[2]


def _die_half_way(target: Path) -> None:
    (target / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)


def _make_slowly(target: Path, log: Path) -> None:
    def make(folder: Path) -> None:
        with log.open("a") as file:
            file.write("made\n")
        multiprocessing.Event().wait(0.3)
        (folder / "whole").touch()

    made_once(target, make)
    assert (target / "whole").exists()


def test_what_a_killed_process_left_is_made_anew(tmp_path: Path) -> None:
    target = tmp_path / "target"
    killed = multiprocessing.get_context("spawn").Process(target=made_once, args=(target, _die_half_way))
    killed.start()
    killed.join(30)
    assert killed.exitcode == -signal.SIGKILL
    assert (target / "half").exists()

    made_once(target, lambda folder: (folder / "whole").touch())
    assert sorted(file.name for file in target.iterdir()) == [".complete", "whole"]


def test_what_failed_is_made_anew(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        made_once(tmp_path / "target", fail)
    made_once(tmp_path / "target", lambda folder: (folder / "whole").touch())
    assert (tmp_path / "target" / "whole").exists()


def test_a_second_process_waits_for_the_first_and_makes_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    log = tmp_path / "log"
    both = [context.Process(target=_make_slowly, args=(tmp_path / "target", log)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(30)
    assert [process.exitcode for process in both] == [0, 0]
    assert log.read_text() == "made\n"


def test_the_key_follows_the_name_and_the_content_of_every_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    file = folder / "inner" / "a"
    file.write_text("1")
    keys = [content_key([folder])]
    file.write_text("2")
    keys.append(content_key([folder]))
    file.rename(folder / "a")
    keys.append(content_key([folder]))
    assert len(set(keys)) == 3


def test_the_key_tells_apart_what_only_looks_alike_when_joined() -> None:
    assert content_key(["ab", "c"]) != content_key(["a", "bc"])


def test_unknown_environment_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no environment named 'sglang-0.5.22'.*did you mean 'sglang-0.5.23'"):
        load("sglang-0.5.22")


def test_unknown_framework_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no framework named 'tensorrt'; known: vllm, sglang, diffusers"):
        release("tensorrt", "1.0")


@pytest.mark.parametrize("name", names())
def test_lock_pins_what_the_spec_asks_for(name: str) -> None:
    spec = load(name)
    pins = dict(line.split("==") for line in spec.lock.read_text().splitlines())
    asked = [Requirement(text) for text in (*spec.requirements, *spec.without_dependencies)]
    assert [str(wish) for wish in asked if not wish.specifier.contains(pins[wish.name.lower()])] == []


def test_a_base_that_is_not_pinned_by_the_locks_is_pinned_by_its_own() -> None:
    pins = load("torch").lock.read_text().splitlines()
    assert [pin for pin in pins if pin.startswith("torch==")] == list(load("torch").requirements)
    # That machine has a release of its own, vllm-omni stands on another base, and the last two hold tools that import nothing of ours.
    with_torch = [name for name in names() if name not in ("torch", "gpu-machine", "vllm-omni", "site", "packaging")]
    assert [load(name).base for name in with_torch] == ["torch"] * len(with_torch)
    assert not any(line.startswith("torch==") for name in with_torch for line in load(name).lock.read_text().splitlines())


def wheel_of(folder: Path, name: str, version: str, *requires: str) -> None:
    """Write a wheel with one module that holds its version."""
    about = f"{name}-{version}.dist-info"
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {line}" for line in requires),
    ]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", f"version = {version!r}\n")
        archive.writestr(f"{about}/METADATA", "\n".join(lines) + "\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Specs of two environments, `torch` and one on it; pip finds only the wheels of the returned folder."""
    for folder in ("specs", "locks", "wheels"):
        (tmp_path / folder).mkdir()
    (tmp_path / "specs" / "torch.toml").write_text('requirements = ["torch==2.0"]\nwith_dependencies = true\n')
    (tmp_path / "locks" / "torch.txt").write_text("pure==1.0\ntorch==2.0\n")
    (tmp_path / "specs" / "app.toml").write_text('base = "torch"\nrequirements = ["application"]\n')
    (tmp_path / "locks" / "app.txt").write_text("application==1.0\npure==2.0\n")
    wheel_of(tmp_path / "wheels", "application", "1.0", "nowhere==1.0")
    for version in ("1.0", "2.0"):
        wheel_of(tmp_path / "wheels", "pure", version)
    monkeypatch.setattr("tests.environments._specs.HERE", tmp_path)
    monkeypatch.setenv("TEST_ENVIRONMENTS_CACHE", str(tmp_path / "cache"))
    for name in ("PIP_CONSTRAINT", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


def test_whichever_build_of_torch_pip_finds_brings_what_its_own_metadata_asks_for(specs: Path) -> None:
    wheel_of(
        specs, "torch", "2.0", "pure", "driver==3.0; platform_system == 'Linux'", "absent; platform_system == 'Windows'"
    )
    wheel_of(specs, "driver", "3.0", "compiler")
    wheel_of(specs, "compiler", "1.5")
    program = "import torch, driver, compiler, application, pure; print(torch.version, driver.version, compiler.version, pure.version)"
    printed = subprocess.run([python_of(build("app")), "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["2.0", "3.0", "1.5", "2.0"]


def test_a_cpu_build_of_torch_brings_nothing_more(specs: Path) -> None:
    wheel_of(specs, "torch", "2.0+cpu", "pure")
    program = "import torch, pure, importlib.util as u; print(torch.version, pure.version, u.find_spec('driver'))"
    printed = subprocess.run([python_of(build("app")), "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["2.0+cpu", "2.0", "None"]


def test_an_environment_that_cannot_be_made_ends_in_one_sentence_after_pip_s_own(specs: Path) -> None:
    environment = os.environ | {"TEST_ENVIRONMENTS_CACHE": str(specs / "cache"), "PIP_FIND_LINKS": str(specs)}
    command = [sys.executable, "-m", "tests.environments", "build", "torch"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "No matching distribution found for" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("error: `")
    assert ended.stderr.endswith("ended with status 1; its output is above\n")
    assert "Traceback" not in ended.stderr


def test_another_python_is_refused_with_the_next_step() -> None:
    program = (
        "import runpy, sys; sys.version_info = (3, 13, 0); sys.argv = ['x', 'list']\n"
        "runpy.run_module('tests.environments', run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "are made by Python 3.11" in ended.stderr
    assert "this is 3.13: install 3.11, or pass its path (make PYTHON=" in ended.stderr
