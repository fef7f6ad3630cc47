"""``syncfree audit --backend dry-run`` and the pytest plugin, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = """
import os, subprocess, sys
import torch
from syncfree.audit import step

x = torch.ones(4, device="cuda")
for _ in range(2):
    step()
    x.sum().item()
    torch.tensor([1, 2], device="cuda")
if "child" not in sys.argv:
    subprocess.run([sys.executable, __file__, "child"], check=True)
"""


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # This process has set it, for its own values.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTORCH_NO_CUDA_MEMORY_CACHING"}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def audit(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "syncfree.audit", "--backend", "dry-run", *arguments, **environment)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def test_every_process_is_audited_by_call_site_and_step(program: Path) -> None:
    done = audit(program.parent, "--json", "found.json", "--", "python", "program.py")
    assert done.returncode == 0, done.stderr
    processes = json.loads((program.parent / "found.json").read_text())["processes"]
    assert [process["backend"] for process in processes] == ["dry-run"] * 2
    assert "8 hard syncs in 2 process(es)" in done.stderr
    assert "4 x sync item       aten::_local_scalar_dense" in done.stderr
    assert f"{program}:9 <module>" in done.stderr
    assert "4 steps, 8 hard (2.0 per step)" in done.stderr


def test_a_process_says_in_its_log_that_values_are_not_real(program: Path) -> None:
    done = audit(program.parent, "--", "python", "program.py")
    assert done.stderr.count("there is no GPU here, kernels do nothing, and values are not real") == 2


def test_a_budget_ends_with_status_3(program: Path) -> None:
    assert audit(program.parent, "--budget", "7", "--", "python", "program.py").returncode == 3
    assert audit(program.parent, "--budget", "8", "--", "python", "program.py").returncode == 0


def test_settings_are_those_of_the_device(tmp_path: Path) -> None:
    settings = {
        "SYNC_AUDIT_DRY_RUN_CAPABILITY": "80",
        "SYNC_AUDIT_DRY_RUN_MEMORY_GIB": "24",
        "SYNC_AUDIT_DRY_RUN_DEVICES": "2",
    }
    (tmp_path / "asks.py").write_text(
        "import torch\nprint(torch.cuda.get_device_capability(), torch.cuda.mem_get_info()[1] >> 30, torch.cuda.device_count())"
    )
    assert audit(tmp_path, "--", "python", "asks.py", **settings).stdout == "(8, 0) 24 2\n"


def test_more_memory_than_there_is_is_an_error_as_on_a_gpu(tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text(
        textwrap.dedent("""
        import torch

        try:
            torch.empty(3 << 30, dtype=torch.uint8, device="cuda")
        except torch.OutOfMemoryError as error:
            print("Tried to allocate 3.00 GiB" in str(error))
        """)
    )
    assert audit(tmp_path, "--", "python", "asks.py", SYNC_AUDIT_DRY_RUN_MEMORY_GIB="2").stdout == "True\n"


def test_values_without_memory_that_is_zero_are_refused(tmp_path: Path) -> None:
    program = "from syncfree.audit import dry_run\ndry_run.install()\ndry_run.Values()"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "AuditError: values need the dry-run device as dry_run.install(values=True)" in done.stderr


def test_an_audited_test_runs_on_the_device(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        import pytest

        @pytest.mark.sync_budget(0)
        def test_free():
            import torch
            (torch.ones(3, device="cuda") * 2).sum()

        @pytest.mark.sync_budget(0)
        def test_waiting():
            import torch
            torch.ones(3, device="cuda").nonzero()
        """)
    )
    done = run(tmp_path, "pytest", "-q", "--sync-backend", "dry-run", "--sync-report", "-p", "no:cacheprovider")
    assert "1 failed, 1 passed" in done.stdout
    assert "the host waited once for the device, budget 0 (dry-run back end)" in done.stdout
    assert "0 hard     0 soft     0 allowed, budget 0, dry-run: test_it.py::test_free" in done.stdout


def test_with_values_control_flow_follows_the_data(tmp_path: Path) -> None:
    (tmp_path / "counts.py").write_text(
        textwrap.dedent("""
        import torch

        x = torch.arange(8.0, device="cuda")
        while x.sum().item() > 1:
            x = x / 2
        print(x.tolist()[-1], x.nonzero().shape[0])
        """)
    )
    done = audit(tmp_path, "--values", "--", "python", "counts.py")
    assert done.stdout == "0.21875 7\n", done.stderr
    assert "not real after" not in done.stderr


def test_what_could_not_be_computed_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "custom.py").write_text(
        textwrap.dedent("""
        import torch

        torch.ops.aten._thnn_fused_lstm_cell(*[torch.ones(1, 4, device="cuda")] * 2, torch.ones(1, 1, device="cuda"))
        """)
    )
    done = audit(tmp_path, "--values", "--json", "found.json", "--", "python", "custom.py")
    assert "values are not real after aten::_thnn_fused_lstm_cell: Could not run" in done.stderr
    assert f"at {tmp_path}/custom.py:4 <module>" in done.stderr
    (process,) = json.loads((tmp_path / "found.json").read_text())["processes"]
    assert len(process["unreal"]) == 1


def test_call_sites_are_annotations_of_github(program: Path) -> None:
    done = audit(program.parent, "--github", "--", "python", "program.py")
    (item,) = (line for line in done.stdout.splitlines() if "_local_scalar_dense" in line)
    assert item.startswith("::error file=program.py,line=9,title=host sync::4 x aten::_local_scalar_dense: the host waits")


def test_values_of_another_back_end_are_refused(program: Path) -> None:
    done = run(program.parent, "syncfree.audit", "--values", "--", "python", "program.py")
    assert done.returncode == 2
    assert "add --backend dry-run" in " ".join(done.stderr.replace("│", " ").split())


def test_a_program_that_has_imported_torch_already_is_refused(tmp_path: Path) -> None:
    program = "import sys\nsys.modules['torch._C'] = sys\nfrom syncfree.audit import dry_run\ndry_run.install()"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "AuditError: torch was imported already in this process; the dry run must come before" in done.stderr


def test_without_a_compiler_the_sentence_names_it(program: Path) -> None:
    no_tools = {"PATH": "/nonexistent", "XDG_CACHE_HOME": str(program.parent / "cache")}
    done = audit(program.parent, "--", sys.executable, "program.py", **no_tools)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].endswith("there is no g++; install it")


def test_the_stub_libraries_are_built_once(program: Path) -> None:
    cache = program.parent / "cache"
    first = audit(program.parent, "--", "python", "program.py", XDG_CACHE_HOME=str(cache))
    assert first.returncode == 0, first.stderr
    (folder,) = (cache / "syncfree" / "dry-run").iterdir()
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    audit(program.parent, "--", "python", "program.py", XDG_CACHE_HOME=str(cache))
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_forked_child_that_uses_cuda_gets_torchs_own_error(tmp_path: Path) -> None:
    (tmp_path / "forks.py").write_text(
        textwrap.dedent("""
        import os, torch
        torch.ones(1, device="cuda")
        if os.fork() == 0:
            try:
                torch.ones(1, device="cuda")
            except RuntimeError as error:
                print("Cannot re-initialize CUDA" in str(error), flush=True)
            os._exit(0)
        os.wait()
        """)
    )
    assert audit(tmp_path, "--", "python", "forks.py").stdout == "True\n"


def test_functions_of_the_driver_that_triton_compiles_against_are_there(tmp_path: Path) -> None:
    source = tmp_path / "triton" / "backends" / "nvidia" / "driver.c"
    source.parent.mkdir(parents=True)
    (tmp_path / "triton" / "__init__.py").touch()
    source.write_text("static int asks(void) { return cuFunctionThatOnlyTritonNames(1); }")
    (tmp_path / "asks.py").write_text(
        "import ctypes\nfrom syncfree.audit import dry_run\ndry_run.install()\n"
        "print(ctypes.CDLL('libcuda.so.1').cuFunctionThatOnlyTritonNames(1))"
    )
    done = run(tmp_path, "asks", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.stdout == "0\n", done.stderr
