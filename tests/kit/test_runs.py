"""Runs of ``pytest --syncfree-check`` that go another way: unknown plugins, processes that end, wrong options."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.kit.running import checked


def test_an_unknown_plugin_is_one_failed_test_with_the_nearest_name(tmp_path: Path) -> None:
    done = checked("sync_fre", tmp_path)
    assert done.status == 1
    assert done.failed["loads"].startswith("no plugin 'sync_fre' is installed; did you mean 'sync_free'?")


def test_a_plugin_that_ends_its_process_is_named_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "ending.py").write_text(ENDING)
    done = checked("ending:postprocess", tmp_path, "-k", "returns or types")
    assert "ended with status 3" in done.failed["returns"], done.output
    assert "no licence" in done.failed["returns"]
    assert done.found["postprocess", "types"] == ("skipped", "not run: returns failed")


def test_impossible_limits_are_wrong_usage(tmp_path: Path) -> None:
    done = checked("sync_free", tmp_path, "--syncfree-check-limit", "0")
    assert done.status == 4
    assert "--syncfree-check-limit is a number of seconds above 0" in done.output


def test_a_plugin_without_a_name_is_wrong_usage_and_no_other_test_runs_instead(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("def test_it() -> None:\n    pass\n")
    done = checked("", tmp_path)
    assert done.status == 4
    assert "--syncfree-check is empty" in done.output


@pytest.mark.parametrize("raised", ["SystemExit('bye')", "KeyboardInterrupt('bye')", "GeneratorExit('bye')"])
def test_a_call_that_raises_what_usually_ends_a_program_is_one_that_raises(raised: str, tmp_path: Path) -> None:
    (tmp_path / "raising.py").write_text(RAISING.replace("RAISED", raised))
    done = checked("raising:postprocess", tmp_path, "-k", "returns or raises", "--syncfree-check-examples", "2")
    name = raised.partition("(")[0]
    assert done.failed == {"raises": f"raised {name}: bye, where the reference does not"}, done.output


def test_limits_that_no_timer_takes_are_wrong_usage(tmp_path: Path) -> None:
    for limit in ("nan", "inf", "1e300"):
        assert checked("sync_free", tmp_path, "--syncfree-check-limit", limit).status == 4


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_checked(tmp_path: Path) -> None:
    for file in (tmp_path, tmp_path / "no" / "report.json"):
        done = checked("sync_fre", tmp_path, "--syncfree-check-json", str(file))
        assert (done.status, "loads" in done.output) == (4, False), done.output
        assert f"--syncfree-check-json {file}: give a file in a folder that exists" in done.output


def test_a_report_that_cannot_be_written_in_the_end_is_one_sentence(tmp_path: Path) -> None:
    done = checked("sync_fre", tmp_path, "--syncfree-check-json", "/dev/full")
    assert done.status == 4
    assert "--syncfree-check-json /dev/full cannot be written: No space left on device" in done.output
    assert "INTERNALERROR" not in done.output


@pytest.mark.parametrize("child", ["wait", "return"])
def test_children_that_a_plugin_forks_give_no_answer_and_end_with_the_run(child: str, tmp_path: Path) -> None:
    (tmp_path / "forking.py").write_text(FORKING)
    (tmp_path / "child").write_text(child)
    options = ("-k", "returns or types or raises", "--syncfree-check-examples", "2")
    done = checked("forking:postprocess", tmp_path, *options)
    assert (done.status, done.failed) == (0, {}), done.output
    assert {check for _, check in done.found} == {"returns", "types", "raises"}
    assert left_of(tmp_path) == []


def test_a_process_that_ends_is_noticed_though_its_child_lives(tmp_path: Path) -> None:
    (tmp_path / "forking.py").write_text(FORKING)
    (tmp_path / "child").write_text("wait, and then the parent ends")
    done = checked("forking:postprocess", tmp_path, "-k", "returns")
    assert "the process ended with status 3" in done.failed["returns"], done.output
    assert left_of(tmp_path) == []


def test_a_process_that_closes_the_pipe_is_one_that_ended(tmp_path: Path) -> None:
    (tmp_path / "closing.py").write_text(CLOSING)
    done = checked("closing:postprocess", tmp_path, "-k", "returns or types")
    assert done.failed["returns"].startswith("the process ended with status 1"), done.output


def left_of(folder: Path) -> list[int]:
    """Return the children that a plugin wrote down and that still run."""
    deadline = time.monotonic() + 30
    while alive := [pid for pid in map(int, (folder / "pids").read_text().split()) if runs(pid)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return alive


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended may stay a zombie where its new parent does not ask for its status."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


RAISING = '''
from syncfree import hookimpl

@hookimpl(exact=True, needs=("torch",))
def postprocess(decoded):
    raise RAISED
'''

FORKING = '''
import os, pathlib, signal
from syncfree import hookimpl

FOLDER = pathlib.Path(__file__).parent
CHILD = (FOLDER / "child").read_text()

@hookimpl(exact=True, needs=("torch",))
def postprocess(decoded):
    pid = os.fork()
    if pid:
        with open(FOLDER / "pids", "a") as pids:
            pids.write(f"{pid}\\n")
        if "ends" in CHILD:
            os._exit(3)
    elif "wait" in CHILD:
        signal.alarm(0)
        while True:
            signal.pause()
    return (decoded * 0.5 + 0.5).clamp(0, 1).float()
'''

CLOSING = '''
import os
from syncfree import hookimpl

@hookimpl(exact=True, needs=("torch",))
def postprocess(decoded):
    os.closerange(3, 64)
    return (decoded * 0.5 + 0.5).clamp(0, 1).float()
'''

ENDING = '''
import os
from syncfree import hookimpl

@hookimpl(exact=True, needs=("torch",))
def postprocess(decoded):
    os.write(2, b"no licence")
    os._exit(3)
'''
