"""The cache and the specs of the test environments."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.environments import content_key, load, made_once, names, release


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
    with pytest.raises(ValueError, match="no framework named 'tensorrt'; there are vllm, sglang, diffusers"):
        release("tensorrt", "1.0")


@pytest.mark.parametrize("name", names())
def test_lock_pins_what_the_spec_asks_for(name: str) -> None:
    spec = load(name)
    pins = dict(line.split("==") for line in spec.lock.read_text().splitlines())
    asked = [Requirement(text) for text in (*spec.requirements, *spec.without_dependencies)]
    assert [str(wish) for wish in asked if not wish.specifier.contains(pins[wish.name.lower()])] == []
