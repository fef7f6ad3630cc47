"""The run directory, the sockets in it, and the job of a process."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from syncfree import SelectionError
from syncfree._sockets import LONGEST_ADDRESS
from syncfree.control import _decision, _directory
from syncfree.control._client import connect, find
from syncfree.control._decision import ABORT, COMMIT, InDirectory, Unknown, forget_old_decisions, is_decision, new_decision
from syncfree.control._directory import RunDirectoryError, address, candidates, entries, new_name, usable
from syncfree.control._identity import job_of


def test_the_named_directory_is_the_only_one_and_otherwise_the_sessions_comes_first() -> None:
    user = os.geteuid()
    others = [Path(f"/run/user/{user}/syncfree"), Path(f"/tmp/syncfree-{user}")]
    assert candidates({"SYNCFREE_CONTROL": "/srv/run", "XDG_RUNTIME_DIR": "/run/x"}) == [Path("/srv/run")]
    assert candidates({"XDG_RUNTIME_DIR": "/run/x"}) == [Path("/run/x/syncfree"), *others]
    assert candidates({"XDG_RUNTIME_DIR": "not/absolute", "SYNCFREE_CONTROL": "on"}) == others


def test_a_missing_directory_is_made_for_its_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = usable({"SYNCFREE_CONTROL": str(tmp_path / "run")})
    finally:
        os.umask(before)
    assert os.stat(made).st_mode & 0o777 == 0o700


def test_a_directory_that_others_could_use_is_refused_with_the_next_step(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o750)
    run.chmod(0o750)
    with pytest.raises(RunDirectoryError, match=r"run has mode 0750, so that others could use it: chmod 700"):
        usable({"SYNCFREE_CONTROL": str(run)})
    assert find({"SYNCFREE_CONTROL": str(run)}).problems


def test_nobody_is_told_to_close_a_directory_that_is_for_everybody(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    run.chmod(0o1777)
    with pytest.raises(RunDirectoryError, match=r"run has mode 1777, so that others could use it: name a folder of your own"):
        usable({"SYNCFREE_CONTROL": str(run)})


def test_a_value_that_is_no_absolute_path_is_an_error_for_the_commands_too() -> None:
    with pytest.raises(SelectionError, match=r"SYNCFREE_CONTROL='run' is neither on nor off.*; or give the absolute path of a folder"):
        find({"SYNCFREE_CONTROL": "run"})


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    mine = os.geteuid()
    monkeypatch.setattr(_directory.os, "geteuid", lambda: mine + 1)
    with pytest.raises(RunDirectoryError, match=f"belongs to user {mine}, not to user {mine + 1}"):
        usable({"SYNCFREE_CONTROL": str(tmp_path / "run")})


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_directory_is_refused(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / "run").write_text("")
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunDirectoryError, match="is no directory"):
        usable({"SYNCFREE_CONTROL": str(tmp_path / "run")})


def test_the_next_directory_is_taken_where_the_first_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = tmp_path / "second"
    monkeypatch.setattr(_directory, "candidates", lambda environ: [tmp_path / "missing" / "first", second])
    assert usable({}) == second


def test_a_path_that_is_too_long_for_a_socket_works_through_a_descriptor(tmp_path: Path) -> None:
    long = tmp_path / ("d" * 120)
    long.mkdir()
    with socket.socket(socket.AF_UNIX) as listening, address(long, "name.sock") as path:
        assert len(path) <= LONGEST_ADDRESS < len(str(long))
        listening.bind(path)
    assert (long / "name.sock").exists()


def test_names_of_jobs_become_names_of_files(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    for job in ("../up", "a b@c", "", "x" * 500, "torchrun-9f-29500"):
        (tmp_path / new_name(job)).touch()
    found = entries(tmp_path)
    assert len(found) == 5
    assert {entry.pid for entry in found} == {os.getpid()}
    assert {entry.job for entry in found} == {".._up", "a_b_c", "_", "x" * 40, "torchrun-9f-29500"}


def test_a_socket_that_nobody_listens_at_is_removed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as gone, address(tmp_path, new_name("job")) as path:
        gone.bind(path)
    (entry,) = find({"SYNCFREE_CONTROL": str(tmp_path)}).entries
    assert connect(entry, 1.0) is None
    assert find({"SYNCFREE_CONTROL": str(tmp_path)}).entries == ()


def test_the_first_to_decide_decides_for_all(tmp_path: Path) -> None:
    name = new_decision()
    assert is_decision(name)
    assert InDirectory(tmp_path, name).decide(ABORT) == ABORT
    assert InDirectory(tmp_path, name).decide(COMMIT) == ABORT
    missing = InDirectory(tmp_path / "missing", new_decision())
    assert missing.decide(ABORT) == ABORT
    with pytest.raises(Unknown, match="missing: No such file or directory"):
        missing.decide(COMMIT)


def test_a_decision_is_kept_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = new_decision()
    InDirectory(tmp_path, name).decide(COMMIT)
    (tmp_path / "other").touch()
    forget_old_decisions(tmp_path)
    assert InDirectory(tmp_path, name).decide(ABORT) == COMMIT
    now = time.time()
    monkeypatch.setattr(_decision.time, "time", lambda: now + 2 * 24 * 3600)
    forget_old_decisions(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize(
    ("environ", "job"),
    [
        ({"SYNCFREE_JOB": "mine", "TORCHELASTIC_RUN_ID": "9f", "MASTER_PORT": "29500"}, "mine"),
        ({"TORCHELASTIC_RUN_ID": "9f", "MASTER_PORT": "29500"}, "torchrun-9f-29500"),
        ({"RAY_JOB_ID": "01000000"}, "ray-01000000"),
    ],
)
def test_a_job_is_what_its_launcher_names(environ: dict[str, str], job: str) -> None:
    assert job_of(environ) == job
    assert environ["SYNCFREE_JOB"] == job


def test_a_job_without_a_launcher_is_named_by_its_first_process() -> None:
    environ: dict[str, str] = {}
    job = job_of(environ)
    assert job.startswith(f"{os.getpid()}-")
    assert job_of({**environ}) == job
    assert job_of({}) != job
