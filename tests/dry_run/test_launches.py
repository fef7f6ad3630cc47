"""Kernel launches and copies, counted by the line of code that made them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import torch

from syncfree.audit import audit, step
from tests.dry_run.test_command import audit as audit_command
from tests.dry_run.test_command import run

PROGRAM = """
import os, sys
import torch
from syncfree.audit import step

x = torch.ones(1024, device="cuda")
host = torch.ones(1024)
for _ in range(3):
    step("work")
    y = x.mul(2)
    x.copy_(host)
if os.fork() == 0:
    x.mul(2)
    os._exit(0)
os.wait()
"""


def line_of(file: str, text: str) -> int:
    return 1 + next(number for number, line in enumerate(Path(file).read_text().splitlines()) if text in line)


def test_a_launch_and_a_copy_are_counted_at_their_line() -> None:
    x, host = torch.ones(8, device="cuda"), torch.ones(8)
    with audit(launches=True) as report:
        for _ in range(3):
            x.mul(2)  # a launch
            x.copy_(host)  # a copy
    found: Counter[tuple[str, str, int]] = Counter()
    for did, number in report.activities.items():
        assert did.where.file == __file__
        found[did.what, did.op, did.where.line] += number
    assert found == {
        ("kernel launch", "aten::mul", line_of(__file__, "# a launch")): 3,
        ("copy to the device", "aten::copy_", line_of(__file__, "# a copy")): 3,
    }


def test_a_launch_of_backward_is_at_the_line_that_called_it() -> None:
    x = torch.ones(8, device="cuda", requires_grad=True)
    loss = x.exp().sum()
    with audit(launches=True) as report:
        loss.backward()  # the backward
    assert {did.where.line for did in report.activities} == {line_of(__file__, "# the backward")}
    assert "aten::mul" in {did.op for did in report.activities}


def test_phases_tell_launches_apart() -> None:
    x = torch.ones(8, device="cuda")
    with audit(launches=True) as report:
        x.mul(2)
        step("one")
        x.mul(2)
        x.mul(2)
    assert sorted((did.phase or "", number) for did, number in report.activities.items()) == [("", 1), ("one", 1), ("one", 1)]


def test_the_command_reports_launches_of_every_process(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = audit_command(tmp_path, "--launches", "--json", "found.json", "--html", "page.html", "--", "python", "program.py")
    assert done.returncode == 0, done.stderr
    assert "phase work: 3 steps, 3 hard (1.0 per step), 0 soft, " in done.stderr
    assert "launches and 1.0 copies per step" in done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    parent, child = found["processes"]
    launches = [did for did in parent["activities"] if did["line"] == line_of(str(program), "y = x.mul(2)")]
    assert [(did["what"], did["op"], did["phase"], did["count"]) for did in launches] == [("kernel launch", "aten::mul", "work", 3)]
    copies = [did for did in parent["activities"] if did["line"] == line_of(str(program), "x.copy_(host)")]
    assert [(did["what"], did["count"], did["bytes"]) for did in copies] == [("copy to the device", 3, 3 * 4096)]
    assert [(did["op"], did["count"]) for did in child["activities"]] == [("aten::mul", 1)]
    assert "Launches and copies" in (tmp_path / "page.html").read_text()


def test_without_the_option_nothing_is_said_of_launches(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = audit_command(tmp_path, "--json", "found.json", "--", "python", "program.py")
    assert "kernel launch" not in done.stderr
    assert "launches and" not in done.stderr
    assert [process["activities"] for process in json.loads((tmp_path / "found.json").read_text())["processes"]] == [[]]


def test_another_back_end_refuses(tmp_path: Path) -> None:
    done = run(tmp_path, "syncfree.audit", "--backend", "simulated", "--launches", "--", "python", "-c", "pass")
    assert done.returncode == 2
    assert "only a dry run sees each launch" in " ".join(done.stderr.replace("│", " ").split())
