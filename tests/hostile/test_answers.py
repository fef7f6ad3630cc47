"""``syncfree doctor --server`` and servers that answer in every wrong way."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from . import judging
from .answers import SLOW, Answer, fixed, mutated, served
from .children import run
from .installation import Installation
from .tally import Tally

FAMILY = "answers to doctor --server"
PROGRAM = """
import contextlib, hostile_child, io, json, sys
from syncfree.cli import main
found = []
for address, options in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["syncfree", "doctor", "--server", address, *options]
    code, raised = None, None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            raised = hostile_child.described(error)
    found.append([code, raised, out.getvalue()[-4000:], err.getvalue()[-4000:]])
hostile_child.write(found=found)
"""
ANSWERS = [*fixed(), *mutated()]
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def check(code: int, raised: object, out: str, err: str, codes: tuple[int, ...]) -> str | None:
    """The message of a refusal; None when the plans were shown."""
    assert raised is None, raised
    assert code in codes, f"status {code}, not {codes}:\n{out}\n{err}"
    assert "Traceback" not in out + err
    assert not CONTROL.search(out + err), repr(out + err)
    if code != 2:
        return None
    return judging.one_line(err, "syncfree: ", "127.0.0.1")  # what the server is instead, or what it lacks


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["table", "json"])
def test_every_answer_is_shown_or_one_sentence(options: list[str], shared: Installation, folder: Path, tally: Tally) -> None:
    with served([answer.data for answer in ANSWERS]) as address:
        asked = [(f"{address}/{number}", options) for number in range(len(ANSWERS))]
        command = ["-c", PROGRAM, json.dumps(asked)]
        facts = judging.alive(run(shared, folder, "", command=command, seconds=300))
    failures = [
        text for answer, found in zip(ANSWERS, facts["found"], strict=True) if (text := _judged(answer, found, tally))
    ]
    assert not failures, "\n\n".join(failures)


def _judged(answer: Answer, found: list[object], tally: Tally) -> str | None:
    """Return what is wrong with what became of an answer; None when nothing is."""
    try:
        message = check(*found, answer.codes)  # type: ignore[arg-type]
    except AssertionError as error:
        return f"{answer.name}: {error}"
    tally.held() if message is None else tally.refused(message)
    return None


@pytest.mark.parametrize("what", SLOW)
def test_a_server_that_takes_for_ever(what: str, shared: Installation, folder: Path, tally: Tally) -> None:
    with served([SLOW[what]]) as address:
        command = ["-c", PROGRAM, json.dumps([(f"{address}/0", [])])]
        facts = judging.alive(run(shared, folder, "", command=command, seconds=50))
    message = check(*facts["found"][0], (2,))
    assert message is not None
    tally.refused(message)


ADDRESSES = (
    "",
    "x",
    "http://",
    "http://[::1",
    "http://127.0.0.1:99999",
    "ftp://127.0.0.1",
    "file:///etc/passwd",
    "http://127.0.0.1:1",
    "//127.0.0.1",
    "http://\x00",
    "http://a b",
    "http://" + "a" * 300,
    "javascript:1",
    "http://user:pw@127.0.0.1:1",
    "http://127.0.0.1:1/[red]",
    "::",
    "http://\u00fc.invalid",
)


def test_an_address_that_is_none(shared: Installation, folder: Path, tally: Tally) -> None:
    command = ["-c", PROGRAM, json.dumps([(address, []) for address in ADDRESSES])]
    facts = judging.alive(run(shared, folder, "", command=command, seconds=120))
    for address, (code, raised, out, err) in zip(ADDRESSES, facts["found"], strict=True):
        assert raised is None, (address, raised)
        assert code == 2, (address, code, out, err)
        assert "Traceback" not in err, err
        assert not CONTROL.search(out + err), repr(err)
        tally.refused(err.strip().splitlines()[-1])
