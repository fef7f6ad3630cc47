"""Where the dry run cannot run, one sentence says why and what to do."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from syncfree.audit import AuditError, dry_run
from syncfree.audit.dry_run import _build, _load

from .test_command import audit


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The version.py of a made-up build of torch, which is found before the real one."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").touch()
    monkeypatch.setattr(
        _build.importlib.util,
        "find_spec",
        lambda name: _build.importlib.machinery.PathFinder.find_spec(name, [str(tmp_path)]),
    )
    return tmp_path / "torch" / "version.py"


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        (
            "__version__ = '3.1.0+cu140'\ncuda: Optional[str] = '14.0'\nhip: Optional[str] = None\n",
            r"torch 3\.1\.0\+cu140 is built for CUDA 14\.0; the dry run knows CUDA 12, 13\n",
        ),
        (
            "__version__ = '2.13.0+rocm7'\ncuda: Optional[str] = None\nhip: Optional[str] = '7.0'\n",
            r"torch 2\.13\.0\+rocm7 is built for ROCm; the dry run stands in for NVIDIA's libraries alone\n",
        ),
        (
            "__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\nhip: Optional[str] = None\n",
            r"torch 2\.13\.0\+cpu is built for the CPU, so it has no CUDA code to run\. Install the build for CUDA .*--backend simulated\n",
        ),
    ],
)
def test_another_build_of_torch_is_refused(installed: Path, version: str, sentence: str) -> None:
    installed.write_text(version)
    with pytest.raises(AuditError, match=sentence):
        _build.build()


def test_no_torch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_build.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AuditError, match="this Python has no torch; install it in this environment"):
        _build.build()


def test_a_machine_with_a_driver_is_sent_to_the_back_end_for_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = tmp_path / "version"
    driver.touch()
    monkeypatch.setattr(_load, "_DRIVER", (str(driver),))
    with pytest.raises(AuditError, match=rf"a driver of NVIDIA's \({driver}\); .* use --backend cuda\n"):
        dry_run.prepare()


EXTENSION = """
#include <Python.h>
extern "C" int cudaGraphicsMapResources(int, void*, void*);
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "mykernels", nullptr, -1, nullptr};
PyMODINIT_FUNC PyInit_mykernels() {
  if (cudaGraphicsMapResources(0, nullptr, nullptr)) return nullptr;
  return PyModule_Create(&definition);
}
"""


@pytest.fixture
def extension(tmp_path: Path) -> Path:
    """A folder with an extension module that uses a function of CUDA's which torch does not."""
    (tmp_path / "mykernels.cpp").write_text(EXTENSION)
    module = tmp_path / f"mykernels{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_paths()["include"]
    subprocess.run(["g++", "-shared", "-fPIC", f"-I{include}", tmp_path / "mykernels.cpp", "-o", module], check=True)
    (tmp_path / "uses.py").write_text("import torch, mykernels\nprint(mykernels.__name__)")
    return tmp_path


def test_a_symbol_that_the_stubs_lack_is_named_with_what_to_do(extension: Path) -> None:
    done = audit(extension, "--", "python", "uses.py")
    assert "undefined symbol: cudaGraphicsMapResources; the dry run has no cudaGraphicsMapResources" in done.stderr
    assert "in SYNC_AUDIT_DRY_RUN_PACKAGES" in done.stderr
    named = {"SYNC_AUDIT_DRY_RUN_PACKAGES": "mykernels", "PYTHONPATH": str(extension)}
    assert audit(extension, "--", "python", "uses.py", **named).stdout == "mykernels\n"


def test_a_package_that_is_not_there_is_said(extension: Path) -> None:
    done = audit(extension, "--", "python", "uses.py", SYNC_AUDIT_DRY_RUN_PACKAGES="mykernel")
    assert done.returncode == 2
    assert "SYNC_AUDIT_DRY_RUN_PACKAGES names 'mykernel', which this Python cannot import" in " ".join(done.stderr.split())


def test_a_library_that_the_stubs_lack_is_named() -> None:
    from syncfree.audit.dry_run._other_libraries import explanation

    said = explanation("libcublasMp.so.0: cannot open shared object file: No such file or directory")
    assert said is not None
    assert said.startswith("the dry run has no libcublasMp.so.0")
    assert explanation("libfoo.so.1: cannot open shared object file: No such file or directory") is None
