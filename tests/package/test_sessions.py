"""No test is forgotten: every folder with tests belongs to a session that `make test` runs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEFT_OUT = ("_all", "_engines", "_torch")
"""The endings of the names of sessions that `make test` leaves out."""


def folders_of_sessions() -> dict[str, list[str]]:
    """The folders that each session of noxfile.py gives to pytest."""
    functions = [node for node in ast.parse((ROOT / "noxfile.py").read_text()).body if isinstance(node, ast.FunctionDef)]
    return {
        function.name: [
            str(word.value)
            for word in call.args[1:]
            if isinstance(word, ast.Constant) and not str(word.value).startswith("-")
        ]
        for function in functions
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "_pytest"
    }


def test_every_folder_with_tests_has_a_session() -> None:
    folders = {file.parent.relative_to(ROOT).as_posix() for file in (ROOT / "tests").rglob("test_*.py")}
    run = {folder for given in folders_of_sessions().values() for folder in given}
    assert {folder for folder in folders if not any(f"{folder}/".startswith(f"{session}/") for session in run)} == set()


def test_every_session_with_tests_runs_by_default() -> None:
    """But those that `make test` has no time for, or that download gigabytes; their names end so."""
    command = [sys.executable, "-m", "nox", "--list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    default = {line.split()[1] for line in listed if line.startswith("* ")}
    assert {*(name for name in folders_of_sessions() if not name.endswith(LEFT_OUT)), "lint", "types"} <= default


def sessions_that_make_selects(*target: str) -> set[str]:
    """The sessions that nox runs with the arguments of a target's recipe."""
    make = ["make", "--no-print-directory", "--dry-run", *target, f"PYTHON={sys.executable}"]
    recipe = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    arguments = recipe.partition("-m nox ")[2].partition("\n")[0].split()
    command = [sys.executable, "-m", "nox", *arguments, "--list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[1] for line in listed if line.startswith("* ")}


def test_make_runs_all_sessions_that_it_is_given() -> None:
    assert sessions_that_make_selects("test", "SESSIONS=unit audit") == {"unit", "audit"}


def test_make_audit_dry_run_runs_every_release_of_torch_and_the_engines() -> None:
    """A second --session would replace the first."""
    nodes = ast.parse((ROOT / "noxfile.py").read_text()).body
    (releases,) = (node.value for node in nodes if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TORCH_RELEASES")
    of_torch = {f"dry_run_torch(release={release!r})" for release in ast.literal_eval(releases)}
    assert sessions_that_make_selects("audit-dry-run") == {"dry_run_engines", *of_torch}


def test_no_program_has_a_name_that_pytest_takes_for_tests() -> None:
    """Importing a program fails there, which ends its session before the first test."""
    assert list((ROOT / "tests").rglob("*_test.py")) == []
