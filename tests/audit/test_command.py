"""``syncfree audit``: a command and all its child processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import subprocess, sys, multiprocessing, threading
import torch
from syncfree.audit import allow, step

def work():
    torch.ones(3, device="cuda").tolist()

def main():
    x = torch.arange(4.0, device="cuda")
    x.sum().item()
    for i in range(5):
        step("denoise")
        x[i % 4].item()
    with allow("the <result>"):
        x.cpu()
    thread = threading.Thread(target=work, name="helper")
    thread.start()
    thread.join()
    child = multiprocessing.get_context("spawn").Process(target=work)
    child.start()
    child.join()
    subprocess.run([sys.executable, "-c", "import torch, os; torch.ones(2, device='cuda').sum().item(); os._exit(0)"], check=True)

if __name__ == "__main__":
    main()
"""


def audit(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "syncfree.audit", *arguments],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str, str]:
    """JSON, HTML and printed text of one run."""
    folder = tmp_path_factory.mktemp("audited")
    (folder / "program.py").write_text(PROGRAM)
    done = audit(folder, "--json", "out.json", "--html", "out.html", "--", "python", "program.py")
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "out.json").read_text()), (folder / "out.html").read_text(), done.stderr


def test_every_process_and_thread_is_audited_even_when_it_exits_at_once(audited: tuple[Any, str, str]) -> None:
    result, _, _ = audited
    assert [len(process["syncs"]) for process in result["processes"]] == [8, 1, 1]
    assert len({process["pid"] for process in result["processes"]}) == 3
    assert "helper" in {sync["thread"] for sync in result["processes"][0]["syncs"]}


def test_syncs_are_counted_per_phase(audited: tuple[Any, str, str]) -> None:
    result, _, text = audited
    assert result["phases"] == [{"name": "denoise", "steps": 5, "hard": 7, "soft": 0}] or result["phases"] == [
        {"name": "denoise", "steps": 5, "hard": 5, "soft": 0}
    ]
    assert "phase denoise: 5 steps" in text


def test_sites_come_first_by_count_with_their_replacement(audited: tuple[Any, str, str]) -> None:
    result, _, text = audited
    assert result["hard"] == 9
    first = result["sites"][0]
    assert (first["count"], first["kind"], first["function"]) == (5, "item", "main")
    assert first["replacement"] in text


def test_allowed_syncs_are_listed_and_not_counted(audited: tuple[Any, str, str]) -> None:
    result, _, text = audited
    assert "1 x allowed: the <result>" in text
    assert [sync["allowed"] for sync in result["processes"][0]["syncs"] if sync["allowed"]] == ["the <result>"]


def test_the_page_is_one_file_with_a_flame_graph_and_a_timeline(audited: tuple[Any, str, str]) -> None:
    _, page, _ = audited
    assert page.count("<svg") == 4  # one flame graph, a timeline for each process
    assert not re.search(r"(src|href)=|@import|url\(", page)
    assert "the &lt;result&gt;" in page
    assert "<result>" not in page
    assert "5 x item aten::_local_scalar_dense" in page


def test_the_exit_status_is_the_command_s(tmp_path: Path) -> None:
    assert audit(tmp_path, "--", "python", "-c", "import sys; sys.exit(9)").returncode == 9


def test_over_budget_ends_with_status_3(tmp_path: Path) -> None:
    command = ["--", "python", "-c", "import torch; torch.ones(2, device='cuda').tolist()"]
    assert audit(tmp_path, "--budget", "1", *command).returncode == 0
    done = audit(tmp_path, "--budget", "0", *command)
    assert done.returncode == 3
    assert "1 hard syncs, budget 0" in done.stderr


def test_a_program_without_torch_is_left_alone(tmp_path: Path) -> None:
    done = audit(tmp_path, "--", "python", "-c", "import sys; print('torch' in sys.modules)")
    assert done.stdout.strip() == "False"
    assert "no process of the command used torch" in done.stderr


def test_a_sitecustomize_of_the_user_s_own_still_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('mine')")
    done = audit(
        tmp_path, "--", "python", "-c", "import sitecustomize; print(sitecustomize.__file__)", PYTHONPATH=str(tmp_path)
    )
    # Twice: in the process of the command line, which may write its line last, too.
    assert sorted(done.stdout.split()) == sorted(["mine", "mine", str(tmp_path / "sitecustomize.py")])


def test_a_command_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = audit(tmp_path, "--", "no-such-program")
    assert done.returncode != 0
    assert done.stderr.strip() == (
        "syncfree audit: cannot run 'no-such-program': No such file or directory; give the command after --"
    )


def test_an_audit_that_cannot_be_done_ends_the_process_with_its_sentence(tmp_path: Path) -> None:
    done = audit(tmp_path, "--backend", "cuda", "--", "python", "-c", "import torch; print('went on')")
    assert done.returncode != 0
    assert "torch sees no CUDA device here" in done.stderr
    assert "went on" not in done.stdout


def test_an_audit_inside_the_audited_program_works(tmp_path: Path) -> None:
    program = """
import torch
from syncfree.audit import audit
x = torch.ones(2, device="cuda")
with audit(budget=1) as report:
    x.tolist()
print(report.count)
"""
    assert audit(tmp_path, "--", "python", "-c", program).stdout.strip() == "1"


def test_a_program_that_is_killed_leaves_what_it_had(tmp_path: Path) -> None:
    program = "import torch, os; torch.ones(2, device='cuda').tolist(); os.kill(os.getpid(), 9)"
    done = audit(tmp_path, "--", "python", "-c", program)
    assert done.returncode == 137
    assert "1 hard syncs in 1 process(es)" in done.stderr


def test_torch_in_a_process_that_the_audit_did_not_reach_is_seen_from_outside(tmp_path: Path) -> None:
    done = audit(tmp_path, "--budget", "0", "--", "python", "-I", "-c", "import torch")
    assert done.returncode == 4
    assert "it loaded torch, and nothing else is known about it: it was started with -I" in done.stderr


def test_threads_that_import_torch_meanwhile_wait_until_the_audit_has_begun(tmp_path: Path) -> None:
    program = """
import threading
def work():
    import torch
    x = torch.ones(3, device="cuda", requires_grad=True)
    (x * x).sum().backward()
    x.grad.tolist()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    done = audit(tmp_path, "--json", "out.json", "--", "python", "-c", program)
    # Before it may stand what the interpreter says where threads of autograd are left at its end.
    assert "syncfree audit: 3 hard syncs in 1 process(es)" in done.stderr
