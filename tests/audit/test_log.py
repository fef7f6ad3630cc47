"""The log that an audited process keeps in shared memory."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from syncfree.audit import _log
from syncfree.audit._log import Log, Tally, read

from .program import output


def lines(folder: Path) -> list[bytes]:
    return [line for _, lines, _ in read(folder) for line in lines]


def flags(folder: Path) -> list[int]:
    return [flag for _, _, flag in read(folder)]


def test_lines_come_back_in_their_order_while_the_log_is_open(tmp_path: Path) -> None:
    log = Log(str(tmp_path), "a")
    for number in range(5):
        log.write(b"line %d\n" % number)
    assert list(read(tmp_path)) == [("a", [b"line %d" % number for number in range(5)], 0)]


def test_a_full_log_goes_on_in_another_file(tmp_path: Path) -> None:
    log = Log(str(tmp_path), "a")
    written = [b"%06d " % number + b"x" * 1000 for number in range(3000)]
    for line in written:
        log.write(line + b"\n")
    log.write(b"y" * (1 << 20) + b"\n")
    assert lines(tmp_path) == [*written, b"y" * (1 << 20)]
    assert len(list(tmp_path.iterdir())) > 2


def test_threads_lose_and_mix_nothing(tmp_path: Path) -> None:
    log = Log(str(tmp_path), "a")

    def work(name: int) -> None:
        for number in range(2000):
            log.write(b"%d %d " % (name, number) + b"x" * 100 + b"\n")

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(lines(tmp_path)) == sorted(
        b"%d %d " % (name, number) + b"x" * 100 for name in range(4) for number in range(2000)
    )
    assert flags(tmp_path) == [0]


def test_a_line_that_its_process_was_killed_in_is_left_out(tmp_path: Path) -> None:
    log = Log(str(tmp_path), "a")
    log.write(b"whole\n")
    log.write(b"half")
    assert lines(tmp_path) == [b"whole"]


def test_a_file_that_its_process_was_killed_in_the_making_of_is_read_as_empty(tmp_path: Path) -> None:
    (tmp_path / "a.0.log").touch()
    assert list(read(tmp_path)) == [("a", [], 0)]


def test_an_open_log_has_no_descriptor(tmp_path: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    log = Log(str(tmp_path), "a")
    assert sorted(os.listdir("/proc/self/fd")) == before
    log.write(b"line\n")
    assert lines(tmp_path) == [b"line"]


def fill(log: Log) -> None:
    for _ in range(600):
        log.write(b"x" * 999 + b"\n")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.EROFS])
def test_what_cannot_be_kept_is_flagged_and_what_there_is_stays(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    log = Log(str(tmp_path), "a")
    monkeypatch.setattr(_log, "posix_fallocate", refuse)
    fill(log)
    assert flags(tmp_path) == [number]
    kept = len(lines(tmp_path))
    assert 500 < kept < 600
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.undo()
    log.write(b"y" * 999 + b"\n")  # there is room again
    assert len(lines(tmp_path)) == kept + 1
    assert flags(tmp_path) == [number]


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    log = Log(str(tmp_path / "folder"), "a")
    (tmp_path / "folder" / "a.0.log").unlink()
    (tmp_path / "folder").rmdir()
    fill(log)
    assert not (tmp_path / "folder").exists()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_limit_on_file_sizes_makes_more_files(tmp_path: Path) -> None:
    with file_size_limit(10_000):
        log = Log(str(tmp_path), "a")
        for _ in range(100):
            log.write(b"x" * 999 + b"\n")
        log.write(b"x" * 20_000 + b"\n")
    assert len(lines(tmp_path)) == 100
    assert flags(tmp_path) == [errno.EFBIG]
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 10_000


def test_the_first_file_of_a_log_may_be_refused_with_an_os_error(tmp_path: Path) -> None:
    with file_size_limit(0), pytest.raises(OSError, match="File too large"):
        Log(str(tmp_path), "a")


def test_a_forked_child_that_can_make_no_log_is_flagged_in_its_parent_s(tmp_path: Path) -> None:
    program = """
    import os, sys
    from syncfree.audit import _events, _record, _recorder
    recorder = _recorder.Recorder(sys.argv[1], "image")
    recorder.begin("none", "0", "nothing")
    _record.open_everywhere(recorder)
    if os.fork() == 0:
        os.rename(sys.argv[1], sys.argv[1] + "2")
        _record.record(_events.Kind.ITEM, "op")
        os._exit(0)
    os.wait()
    """
    folder = tmp_path / "folder"
    folder.mkdir()
    output(program.replace("sys.argv[1]", repr(str(folder))))
    assert flags(tmp_path / "folder2") == [errno.ENOENT]


def test_counts_are_one_line_and_threads_lose_none(tmp_path: Path) -> None:
    log = Log(str(tmp_path), "a")
    tally = Tally(log, b'{"count": %b}\n' % Tally.COUNT)

    def work() -> None:
        for _ in range(250):
            tally.count()

    threads = [threading.Thread(target=work) for _ in range(4)]
    with switching_often():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [json.loads(line) for line in lines(tmp_path)] == [{"count": 1000}]


def test_a_signal_handler_that_counts_loses_none(tmp_path: Path) -> None:
    tally = Tally(Log(str(tmp_path), "a"), b'{"count": %b}\n' % Tally.COUNT)
    seen = 0

    def handler(*_: object) -> None:
        nonlocal seen
        seen += 1
        tally.count()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    try:
        counted = 0
        while seen < 50:
            tally.count()
            counted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    (line,) = lines(tmp_path)
    assert json.loads(line) == {"count": counted + seen}


def test_a_tally_that_cannot_be_written_is_flagged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(str(tmp_path), "a")
    fill_up(log, monkeypatch)
    tally = Tally(log, b"x" * 1000 + Tally.COUNT + b"\n")
    tally.count()
    assert flags(tmp_path) == [errno.ENOSPC]


@contextmanager
def switching_often() -> Iterator[None]:
    """Let threads interrupt each other after every few operations."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def fill_up(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no room, and no disk for more."""

    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_log, "posix_fallocate", refuse)
    fill(log)
