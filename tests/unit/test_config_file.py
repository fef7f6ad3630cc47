"""The configuration file: what it may be, and what is said of one that it may not be."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from syncfree import SelectionError
from syncfree._config_file import LARGEST
from syncfree._select import read_selection
from syncfree._selection import Selection
from syncfree.hooks import HOOKS
from syncfree.recording._settings import Settings as RecordSettings
from syncfree.verifying._settings import Settings as VerifySettings

CHOICE = '[hooks]\nscheduler_step = "upstream"\n'
LIST = "import sys; from syncfree.cli import main; sys.argv = ['syncfree', 'list']; main()"

CONFIG = "import sys; from syncfree.cli import main; sys.argv = ['syncfree', "


def read(path: Path | str) -> Selection:
    return read_selection({"SYNCFREE_CONFIG": str(path)}, HOOKS)


def refused(path: Path | str) -> str:
    with pytest.raises(SelectionError) as caught:
        read(path)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "syncfree.toml"


@pytest.mark.parametrize("content", [CHOICE.encode("utf-8-sig"), CHOICE.replace("\n", "\r\n").encode()])
def test_a_file_as_other_editors_write_it_is_read(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert read(file).choice("scheduler_step").name == "upstream"


def test_the_home_and_the_working_directory_are_where_a_path_begins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(CHOICE)
    monkeypatch.setenv("HOME", str(file.parent))
    monkeypatch.chdir(file.parent)
    for path in ("~/syncfree.toml", "syncfree.toml", "./syncfree.toml", f" {file} "):
        choice = read(path).choice("scheduler_step")
        assert (choice.name, choice.source) == ("upstream", f"file {file}")


def test_the_message_names_the_place_that_was_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused("x.toml") == f"syncfree: SYNCFREE_CONFIG={tmp_path}/x.toml cannot be read: No such file or directory"


def test_the_null_device_is_an_empty_file() -> None:
    assert read("/dev/null") == read_selection({}, HOOKS)


@pytest.mark.parametrize("content", ["", "\n", "# nothing\n", "enabled = true", "plugins = []\n[hooks]\n"])
def test_a_file_that_says_nothing_changes_nothing(file: Path, content: str) -> None:
    file.write_text(content)
    assert read(file) == read_selection({}, HOOKS)


VERIFIED = """verify_on_mismatch = "log"
verify_contents = "mismatches"
record_to = "calls"
[verify]
pooled_rows = 1
output_token_matrix = 0.25
[record]
pooled_rows = 7
"""


def test_the_file_says_what_is_verified_and_recorded(file: Path) -> None:
    file.write_text(VERIFIED)
    found = read(file)
    assert found.verify == {
        "pooled_rows": VerifySettings(1, "log", "mismatches"),
        "output_token_matrix": VerifySettings(0.25, "log", "mismatches"),
    }
    assert found.record == {"pooled_rows": RecordSettings(7, "calls")}


def test_the_variables_of_verification_and_recording_override_the_file_as_a_whole(file: Path) -> None:
    file.write_text(VERIFIED)
    variables = {"SYNCFREE_VERIFY": "bad_words_mask=0.5", "SYNCFREE_VERIFY_ON_MISMATCH": "raise", "SYNCFREE_RECORD": "conv_metadata=3"}
    found = read_selection({"SYNCFREE_CONFIG": str(file), **variables}, HOOKS)
    assert found.verify == {"bad_words_mask": VerifySettings(0.5, "raise", "mismatches")}
    assert found.record == {"conv_metadata": RecordSettings(3, "calls")}


def test_what_config_writes_is_read_as_the_same(file: Path, tmp_path: Path) -> None:
    file.write_text(VERIFIED + CHOICE)
    written = tmp_path / "written.toml"
    command = CONFIG + f"'config', '--write', {str(written)!r}]; main()"
    environment = {**os.environ, "SYNCFREE_CONFIG": str(file)}
    done = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before, after = read(file), read(written)
    assert (after.verify, after.record) == (before.verify, before.record)
    assert after.choice("scheduler_step").name == "upstream"


def test_config_shows_what_is_verified_and_recorded(file: Path) -> None:
    file.write_text(VERIFIED)
    environment = {**os.environ, "SYNCFREE_CONFIG": str(file)}
    for option, expected in {"": "verified: pooled_rows, a share of 1 of its calls; on a mismatch: log", "--json": '"share": 0.25'}.items():
        command = CONFIG + f"'config'{f', {option!r}' if option else ''}]; main()"
        done = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True)
        assert expected in done.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a=" + "[" * 10_000, "cannot be read: it is nested too deeply"),
        ("a=" + "{a=" * 5_000, "cannot be read: it is nested too deeply"),
        ("a." * 8_000 + "a=1", "syncfree: "),
        ("#" * (LARGEST + 1), f"cannot be read: it has more than {LARGEST} bytes"),
        ("a = 1\na = 2", "Cannot overwrite a value"),
        ("hooks = [", "cannot be read: Invalid value"),
        ("x = " + "9" * 10_000, "cannot be read: "),
        ('enabled = "no"', "enabled must be true or false, not a string"),
        ("enabled = 0", "enabled must be true or false, not an integer"),
        ("enabled = 1979-05-27", "enabled must be true or false, not a date or time"),
        ('plugins = "a"', "plugins must be a list of names, not a string"),
        ("plugins = [1.5]", "plugins must be a list of names, and a float is in it"),
        ("allow_unknown = {}", "allow_unknown must be a list of names, not a table"),
        ("allow_unknown = ['x']", "allow_unknown names the unknown hook 'x'"),
        ("[[hooks]]", "hooks must be a table, not an array"),
        ("[hooks]\nscheduler_step = true", "hooks.scheduler_step must be the name of a plugin or 'upstream', not a boolean"),
        ("[hooks.scheduler_step]\na = 1", "hooks.scheduler_step must be the name of a plugin or 'upstream', not a table"),
        ("[hooks]\nScheduler_Step = 'upstream'", "unknown hook 'Scheduler_Step'; did you mean 'scheduler_step'"),
        ("[hooks]\n'\x1b[2J' = 'upstream'", "cannot be read: "),
        ("[Hooks]", "unknown key 'Hooks'; did you mean 'hooks'"),
        ("verify = 1", "verify must be a table, not an integer"),
        ("[verify]\npooled_rows = '1'", "verify.pooled_rows must be a number, not a string"),
        ("[verify]\npooled_rows = true", "verify.pooled_rows must be a number, not a boolean"),
        ("[verify]\npooled_rows = 2", "verify: pooled_rows has the share 2, which is not a number from 0 to 1"),
        ("[verify]\npooled_rows = nan", "verify: pooled_rows has the share nan, which is not a number from 0 to 1"),
        ("[verify]\npooled_row = 1", "verify: unknown hook 'pooled_row'; did you mean 'pooled_rows'"),
        ("[verify]\ndp_all_reduce = 0.5", "verify: dp_all_reduce cannot be verified: it is a collective"),
        ("verify_on_mismatch = 'rais'", "verify_on_mismatch: unknown policy 'rais'; did you mean 'raise'"),
        ("verify_contents = 1", "verify_contents must be a string, not an integer"),
        ("[record]\npooled_rows = 1", "record needs record_to, the folder for the recorded calls"),
        ("record_to = 'x'\n[record]\npooled_rows = 1.5", "record: pooled_rows has '1.5' calls, which is not a number from 1"),
        ("record_to = 'x'\n[record]\ndp_all_reduce = 1", "record: dp_all_reduce cannot be recorded"),
        ("[hooks]\n'scheduler_step ' = 'upstream'", "unknown hook 'scheduler_step '; did you mean 'scheduler_step'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_the_file_and_the_key(file: Path, content: str, message: str) -> None:
    file.write_text(content)
    said = refused(file)
    assert message in said
    assert str(file) in said
    assert said.isprintable()
    assert len(said) < 3_000


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_in_another_encoding_is_refused(file: Path, encoding: str) -> None:
    file.write_bytes("# é\n".encode(encoding))
    assert "it is not UTF-8" in refused(file)


def test_what_is_no_regular_file_is_refused_without_waiting_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")  # the whole path may be too long for one
        expected = {
            tmp_path / "fifo": "a FIFO",
            tmp_path / "socket": "a socket",
            tmp_path: "a folder",
            "/dev/zero": "a device",
            "/dev/full": "a device",
        }
        for path, kind in expected.items():
            environment = {**os.environ, "SYNCFREE_CONFIG": str(path)}
            done = subprocess.run(
                [sys.executable, "-c", LIST], env=environment, capture_output=True, text=True, timeout=60, check=False
            )
            assert (done.returncode, done.stdout) == (2, "")
            reason = f"it is {kind}, not a regular file (see docs/choosing.md)"
            assert done.stderr == f"syncfree: SYNCFREE_CONFIG={path} cannot be read: {reason}\n"


def test_a_path_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for path in ("\0", "/x\0y", "\ud800", "x" * 5000, str(tmp_path / "circle"), "~no such user/x"):
        said = refused(path)
        assert "cannot be read: " in said
        assert said.isprintable()


def test_a_file_whose_reading_fails_is_refused() -> None:
    assert refused("/proc/self/mem") == "syncfree: SYNCFREE_CONFIG=/proc/self/mem cannot be read: Input/output error"
