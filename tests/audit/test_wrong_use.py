"""Wrong use gets one clear sentence, in a process of its own each time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from .program import INSTALL, output, refusal, run


def test_no_torch() -> None:
    without = "import sys; sys.modules['torch'] = None\nfrom syncfree.audit import audit, simulated\n"
    assert "this Python has no torch" in refusal(without + "simulated.install()")


def test_a_torch_whose_libraries_are_missing_is_not_said_to_be_missing() -> None:
    broken = (
        "import sys\n"
        "class Broken:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'torch': raise ImportError('libcudnn.so.9: cannot open shared object file')\n"
        "sys.meta_path.insert(0, Broken())\n"
        "from syncfree.audit import simulated\n"
    )
    sentence = refusal(broken + "simulated.install()")
    assert "torch cannot be imported here: libcudnn.so.9" in sentence
    assert "--backend dry-run" in sentence


def test_audit_without_torch_says_so(tmp_path: Path) -> None:
    program = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'torch' else f(n, *a)\n"
    assert "an audit needs PyTorch" in refusal(program + "from syncfree.audit import audit\nwith audit(): pass")


def test_a_torch_that_is_too_old() -> None:
    program = "import torch; torch.__version__ = '2.8.0'\nfrom syncfree.audit import simulated; simulated.install()"
    assert refusal(program).endswith("uses parts of torch that 2.8.0 does not have; install torch 2.9 or later, any build of it")


def test_an_unknown_torch_that_passes_the_self_test_is_used_and_the_report_says_so() -> None:
    program = (
        "import torch; torch.__version__ = '9.9.0'\nfrom syncfree.audit import audit\n"
        "with audit() as report: torch.ones(2, device='cuda').tolist()\nprint(report.count, report.basis)"
    )
    assert output(program).startswith("1 simulated device, rules of torch 9.9.0, which was tested with 2.9 to 2.15 only: ")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("_selftest._first_problem = lambda: 'no sort'", "failed its self-test on torch 9.9.0: no sort"),
        ("_vtable.install_device_guard = lambda: os.kill(os.getpid(), 11)", "it ended with signal 11"),
        ("_trial._SECONDS = 0.2; _selftest.run = lambda: time.sleep(60)", "it took longer than 0 s"),
    ],
)
def test_an_unknown_torch_that_fails_the_self_test_is_refused_and_left_alone(fault: str, reason: str) -> None:
    program = f"""
import os, sys, time
import torch; torch.__version__ = '9.9.0'
from syncfree.audit import AuditError, simulated
from syncfree.audit.simulated import _selftest, _trial, _vtable
{fault}
try:
    simulated.install()
except AuditError as error:
    print(error)
print(torch.cuda.is_available(), simulated.is_installed())
"""
    said, state = output(program).splitlines()
    assert "was tested with 2.9 to 2.15, and does not work with 9.9.0" in said
    assert reason in said
    assert state == "False False"


def test_a_rocm_build_of_torch() -> None:
    program = "import torch; torch.version.hip = '7.0'\nfrom syncfree.audit import simulated; simulated.install()"
    assert "is a ROCm build, and the simulated CUDA device was not tested with its kernels" in refusal(program)


def test_a_real_gpu() -> None:
    program = (
        "import torch; torch.cuda.is_available = lambda: True; torch.cuda.get_device_name = lambda: 'H200'\n"
        "from syncfree.audit import simulated; simulated.install()"
    )
    assert "this process has a real GPU (H200): audit with backend='cuda'" in refusal(program)


def test_another_platform() -> None:
    program = (
        "import platform; platform.machine = lambda: 'arm64'\nfrom syncfree.audit import simulated; simulated.install()"
    )
    assert "runs on Linux x86-64 only, this is Linux arm64" in refusal(program)


@pytest.mark.parametrize("server", ["uvicorn.server", "vllm.entrypoints.openai.api_server"])
def test_a_serving_process(server: str) -> None:
    program = f"import sys, types; sys.modules[{server!r}] = types.ModuleType('s')\n" + INSTALL
    assert "never where requests are served" in refusal(program)


def test_second_install() -> None:
    assert "already installed in this process" in refusal(INSTALL + "simulated.install()")


def test_second_install_by_another_copy_of_the_package() -> None:
    program = INSTALL + (
        "import sys\nfor name in [n for n in sys.modules if n.startswith('syncfree')]: del sys.modules[name]\n"
        "from syncfree.audit import simulated; simulated.install()"
    )
    assert "already installed in this process, by " in refusal(program)


def test_without_a_device_the_simulated_one_is_used() -> None:
    program = """
        import torch
        from syncfree.audit import audit
        with audit() as report:
            torch.ones(2, device="cuda").tolist()
        print(report.backend, report.count)
        print(report)
    """
    first, *said = output(program).splitlines()
    assert first == "simulated 1"
    assert said[-1].startswith(f"note: simulated device, rules of torch {torch.__version__}: shows what waits in PyTorch's")


def test_the_cuda_back_end_without_a_gpu() -> None:
    message = refusal("from syncfree.audit import audit\nwith audit(budget=0, backend='cuda'): pass")
    assert "torch sees no CUDA device here; leave the back end to be chosen" in message


def test_an_unknown_back_end() -> None:
    assert "no audit back end 'rocm'. Known: auto, cuda, dry-run, simulated" in refusal(
        "from syncfree.audit import audit\nwith audit(backend='rocm'): pass"
    )


def test_poison_without_the_device() -> None:
    assert "poison mode needs the simulated device" in refusal(
        "from syncfree.audit import simulated\nwith simulated.poison(): pass"
    )


def test_fork_after_install_is_refused_as_cuda_refuses_it() -> None:
    program = (
        INSTALL
        + """
import os
pid = os.fork()
if pid == 0:
    try:
        torch.ones(2, device="cuda")
    except RuntimeError as error:
        print(error, flush=True)
    print(torch.ones(2).sum().item(), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print(torch.ones(2, device="cuda").sum().item())
"""
    )
    lines = output(program).splitlines()
    assert "installed before this process was forked" in lines[0]
    assert lines[1:] == ["2.0", "2.0"]  # the CPU works in the child, the device still does in the parent


def test_inductor() -> None:
    program = INSTALL + "print(torch.compile(lambda x: x + 1)(torch.ones(2, device='cuda')))"
    done = run(program)
    assert done.returncode != 0
    assert "Inductor has no code generator for the simulated CUDA device" in done.stderr


@pytest.mark.parametrize(
    "use", ["torch.cuda.CUDAGraph()", "torch.cuda.graph(None)", "torch.cuda.make_graphed_callables(1, 2)"]
)
def test_cuda_graphs(use: str) -> None:
    assert "CUDA graphs do not exist on the simulated CUDA device" in refusal(INSTALL + use)


def test_cuda_graph_classes_can_be_named_in_annotations() -> None:
    assert output(INSTALL + "print(torch.cuda.CUDAGraph | None)")


def test_nccl() -> None:
    program = INSTALL + (
        "import torch.distributed as d\nd.init_process_group('nccl', store=d.HashStore(), rank=0, world_size=1)"
    )
    reason = "NCCL cannot run on the simulated CUDA device" if torch.version.cuda else "doesn't have NCCL built in"
    assert reason in refusal(program)


_TRITON = """
class JITFunction:
    __name__ = "add_kernel"
    def __getitem__(self, grid): return lambda *a: self.run(*a, grid=grid)
    def run(self, *a, grid): pass
"""


@pytest.mark.parametrize("order", ["before", "after"])
def test_triton_kernels(tmp_path: Path, order: str) -> None:
    runtime = tmp_path / "triton" / "runtime"
    runtime.mkdir(parents=True)
    (tmp_path / "triton" / "__init__.py").touch()
    (runtime / "__init__.py").touch()
    (runtime / "jit.py").write_text(_TRITON)
    load = "from triton.runtime.jit import JITFunction\n"
    program = load + INSTALL if order == "before" else INSTALL + load
    message = refusal(program + "JITFunction()[(1,)](torch.ones(2, device='cuda'))", PYTHONPATH=str(tmp_path))
    assert "the Triton kernel add_kernel cannot run on the simulated CUDA device" in message


def test_a_failed_self_test_is_an_error() -> None:
    program = """
from syncfree.audit import simulated
from syncfree.audit.simulated import _install, _selftest
_selftest._first_problem = lambda: "a view does not share its base's memory"
simulated.install()
"""
    assert "failed its self-test on torch" in refusal(program)


def test_install_after_a_backward() -> None:
    program = "import torch; torch.ones(2, requires_grad=True).sum().backward()\n" + INSTALL
    assert "install the simulated CUDA device before the first backward()" in refusal(program)
