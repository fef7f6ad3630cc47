"""The auditor costs nothing where it is not used, and the simulated device is never there by accident."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import syncfree.audit

from .program import INSTALL, output

PACKAGE = Path(syncfree.audit.__file__).parent


def test_importing_the_auditor_and_its_pytest_plugin_imports_no_torch() -> None:
    program = (
        "import sys, syncfree.audit, syncfree.audit.pytest_plugin, syncfree.audit.simulated; print('torch' in sys.modules)"
    )
    assert output(program) == "False"


def test_the_public_face_is_all() -> None:
    names = {name for name in vars(syncfree.audit) if not name.startswith("_")}
    modules = {name for name in names if (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir()}
    assert names - modules - {"annotations"} == set(syncfree.audit.__all__)


@pytest.mark.parametrize("name", ["SYNC_AUDIT_DIRECTORY", "SYNC_AUDIT_BACKEND"])
def test_the_environment_alone_switches_nothing_on(name: str, tmp_path: Path) -> None:
    value = str(tmp_path) if name.endswith("DIRECTORY") else "simulated"
    program = "import torch, syncfree, syncfree.audit; print(torch.cuda.is_available())"
    assert output(program, **{name: value}) == "False"
    assert list(tmp_path.iterdir()) == []


def test_an_audit_with_auto_never_installs_the_simulated_device_where_requests_are_served() -> None:
    program = """
import sys, types
sys.modules["uvicorn.server"] = types.ModuleType("server")
from syncfree.audit import AuditError, audit, simulated
try:
    with audit(): pass
except AuditError:
    print(simulated.is_installed())
"""
    assert output(program) == "False"


def test_only_three_places_install_the_simulated_device() -> None:
    callers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "simulated.install()\n" in path.read_text() and not path.is_relative_to(PACKAGE / "simulated")
    }
    assert callers == {"_backend.py", "_pytest_child.py", "calibration.py", "fidelity.py"}


def test_environment_variables_are_these() -> None:
    from syncfree.audit import _process

    assert {_process.DIRECTORY, _process.BACKEND} == {"SYNC_AUDIT_DIRECTORY", "SYNC_AUDIT_BACKEND"}
    assert not any(name.startswith("SYNCFREE") for name in (_process.DIRECTORY, _process.BACKEND))


def test_step_and_allow_do_nothing_outside_of_audits() -> None:
    from syncfree.audit import allow, step
    from syncfree.audit._record import is_active

    step("a")
    with allow("nothing is audited"):
        assert not is_active()
    assert os.getpid()


def test_a_process_that_exits_right_after_a_backward_ends_well() -> None:
    """Torch's autograd thread drops an object of Python's when ``backward()`` has returned; at exit that was an abort, now and then."""
    program = (
        INSTALL
        + """
import gc, sys, weakref
sys.setswitchinterval(1000)  # the autograd thread does not get the GIL by itself any more
class Dropped: pass
dropped = Dropped()
from syncfree.audit import _autograd
_autograd.stash("test", dropped)
torch.ones(2, device="cuda", requires_grad=True).sum().backward()
_autograd.drop("test")  # the graph task is the last that holds it
weakref.finalize(dropped, print, "dropped").atexit = False
del dropped
import atexit
atexit._run_exitfuncs()
print("end")
"""
    )
    for _ in range(3):
        assert output(program).split() == ["dropped", "end"]
