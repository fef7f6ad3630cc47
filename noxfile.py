"""Every check of the project, one session each; run one with `python -m nox -s NAME`, arguments after `--` go to its tool.

Run nox with the interpreter that `python3.11 -m tests.environments develop` prints, as `make` does. All sessions but `check`
and `python` use the cached environments of `tests/environments`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))
from tests import environments  # noqa: E402  (found through the line above)

nox.needs_version = ">=2024.4"
nox.options.default_venv_backend = "none"
nox.options.sessions = [
    "lint", "types", "unit", "contract", "audit", "dry_run", "package", "site", "hostile",
    "control", "machines", "kit", "diffusers", "vllm", "sglang",
]

TORCH_RELEASES = ("2.9.1", "2.11.0", "2.13.0", "2.14.1", "2.15.0")
"""Releases of torch whose builds for CUDA (12.8, 13.0 and 13.2) the dry run is tested with."""
TYPED = ("noxfile.py", "tests/conftest.py", "tests/environments", "tests/models", "tests/package")
TWO_AT_A_TIME = ("--numprocesses", "2", "--dist", "loadfile")
TOOLS = ("hypothesis", "mypy", "pytest", "pytest-xdist", "ruff", "wrapt")
WITHOUT_TORCH = (
    "--ignore-missing-imports",
    "--allow-any-unimported",
    "--allow-subclassing-any",
    "--allow-untyped-decorators",
    "--no-warn-return-any",
    "--no-warn-unused-ignores",
    "--cache-dir=.nox/check-types-cache",
)
VARIABLES = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
}


@nox.session
def lint(session: nox.Session) -> None:
    """Run ruff, the linter."""
    python = environments.python_of(environments.build("dev"))
    session.run(python, "-m", "ruff", "check", *session.posargs, ".")


@nox.session
def types(session: nox.Session) -> None:
    """Run strict mypy on the package under its installed name and on the test tooling."""
    python = environments.python_of(environments.build("dev"))
    farm = _installed_layout(ROOT / ".nox" / "types")
    session.run(python, "-m", "mypy", "--package", "syncfree", env={"MYPYPATH": str(farm)})
    tooling = ("--python-version", "3.11", "--exclude", "tests/environments/(packages|hybrid)/", *TYPED)
    session.run(python, "-m", "mypy", *tooling, env={"MYPYPATH": str(farm)})


@nox.session(venv_backend="venv", reuse_venv=True)
def check(session: nox.Session) -> None:
    """Run ruff, mypy and the unit tests in an environment without torch, in under two minutes, as `make check` does.

    Without torch, mypy treats its types as `Any`; the session `types` has them. Tests marked `with_torch` run in `unit` only.
    """
    # The releases that the other sessions have, not the newest ones.
    session.install("--quiet", "--constraint", "tests/environments/locks/dev.txt", "--editable", ".", *TOOLS)
    python = Path(session.bin) / "python"
    session.run(python, "-m", "ruff", "check", ".")
    farm = _installed_layout(ROOT / ".nox" / "check-types")
    session.run(python, "-m", "mypy", *WITHOUT_TORCH, "--package", "syncfree", env={"MYPYPATH": str(farm)})
    tests = ("tests/unit", "-m", "not with_torch", *TWO_AT_A_TIME)
    session.run(python, "-m", "pytest", "--quiet", *tests, *session.posargs, env=VARIABLES)


@nox.session
def unit(session: nox.Session) -> None:
    """Test the mechanism, on small made-up frameworks."""
    _pytest(session, "tests/unit", *TWO_AT_A_TIME)


@nox.session
def contract(session: nox.Session) -> None:
    """Test every hook against its reference and against the functions of several framework releases."""
    _pytest(session, "tests/contract", *TWO_AT_A_TIME)


@nox.session
def audit(session: nox.Session) -> None:
    """Test the auditor: its rule table, its back ends, its pytest plugin."""
    _pytest(session, "tests/audit", *TWO_AT_A_TIME)


@nox.session
def dry_run(session: nox.Session) -> None:
    """Test the auditor's dry run: PyTorch's own CUDA code without a GPU; downloads torch built for CUDA, 0.5 GB."""
    _pytest(session, "tests/dry_run", cuda=True)


@nox.session
def dry_run_sweep(session: nox.Session) -> None:
    """Compare all operators of PyTorch's test database in the dry run and on the simulated device; `-- --keep` keeps it for docs."""
    session.run(environments.develop(), "-m", "tests.dry_run.sweep", *session.posargs, env=VARIABLES)


@nox.session
def dry_run_engines(session: nox.Session) -> None:
    """Count the waits of real engines built for CUDA, without a GPU; downloads gigabytes; `-- --record` keeps the counts for docs."""
    _pytest(session, "tests/dry_run_engines")


@nox.session
@nox.parametrize("release", TORCH_RELEASES)
def dry_run_torch(session: nox.Session, release: str) -> None:
    """Test the dry run with other releases of torch for CUDA 12 and 13; downloads 0.5 to 0.9 GB each, so not part of `make test`."""
    _pytest(session, "tests/dry_run", cuda=release)


@nox.session
def gpu_rehearsal_torch(session: nox.Session) -> None:
    """Rehearse the benchmarks for a GPU machine in the dry run, from the pack that is carried there, with the torch it has."""
    _pytest(session, "tests/gpu_rehearsal", cuda="2.11.0")


@nox.session
@nox.parametrize("release", [*TORCH_RELEASES, "2.10.0", "2.12.1"])
def simulated_torch(session: nox.Session, release: str) -> None:
    """Test the simulated device with another release of torch, as it is built for CUDA; not in `make test`: 1.2 GB each.

    The environment has none of NVIDIA's libraries, which torch must find to be imported: it finds the dry run's, without a device.
    """
    python, variables = _without_nvidia(session, release)
    names = ("rules", "audits", "simulated", "numbers", "poison", "isolation", "fidelity")
    session.run(python, "-m", "pytest", *(f"tests/audit/test_{name}.py" for name in names), *session.posargs, env=variables)


CONTRACTS_OF_TORCH = {
    "2.8.0": ("scheduler_step", "coefficient_tables"),
    "2.15.0": ("bad_words_mask", "penalty_state_reset", "dp_all_reduce"),
}
"""2.8.0 is the last where the result of linalg.solve depends on strides; 2.15.0 the first where a store of a number does not wait."""


@nox.session
@nox.parametrize("release", list(CONTRACTS_OF_TORCH))
def contract_torch(session: nox.Session, release: str) -> None:
    """Test what depends on the release of torch with one that differs; not in `make test`: 0.9 to 1.2 GB each."""
    python, variables = _without_nvidia(session, release)
    files = [f"tests/contract/test_{name}.py" for name in CONTRACTS_OF_TORCH[release]]
    session.run(python, "-m", "pytest", *files, *TWO_AT_A_TIME, *session.posargs, env=variables)


@nox.session
def package(session: nox.Session) -> None:
    """Test the wheel: its content, and that installing and removing it leaves nothing behind."""
    _pytest(session, "tests/package")


@nox.session
def site(session: nox.Session) -> None:
    """Test the documentation's site: strict build, no broken link, nothing loaded from another host; `make site` builds it."""
    _pytest(session, "tests/site")


@nox.session
def hostile(session: nox.Session) -> None:
    """Test hostile plugins, adapters, settings, patches and orders of calls: 670 situations."""
    files = [f"tests/hostile/test_{name}.py" for name in ("plugins", "adapters", "settings", "patches", "orders")]
    _pytest(session, *files, "--numprocesses", "2", "--dist", "worksteal")


@nox.session
def hostile_all(session: nox.Session) -> None:
    """Test every hostile situation; `-- --sweep`: longer orders of calls, `-- --record`: keep the figures for the documentation."""
    _pytest(session, "tests/hostile", "--numprocesses", "2", "--dist", "worksteal")


@nox.session
def kit(session: nox.Session) -> None:
    """Test `pytest --syncfree-check` on plugins that are wrong in one way each, and on ours; `-- --sweep`: every hook of sync_free."""
    _pytest(session, "tests/kit", *TWO_AT_A_TIME)


@nox.session
def control(session: nox.Session) -> None:
    """Test what reaches running processes: `syncfree ps`, `top` and `toggle`; `-- --sweep`: hundreds of toggles."""
    _pytest(session, "tests/control", *TWO_AT_A_TIME)


@nox.session
def machines(session: nox.Session) -> None:
    """Test jobs on two made-up machines, which are namespaces of the kernel: an error where it allows none."""
    _pytest(session, "tests/machines")


@nox.session
def soak(session: nox.Session) -> None:
    """Run real engines under toggles, plans and counters, ten minutes each; `-- vllm --minutes 1` runs one for a minute."""
    session.run(environments.develop(), "-m", "tests.soak", *session.posargs, env=VARIABLES)


@nox.session
def soak_served(session: nox.Session) -> None:
    """Toggle a real `vllm serve` 200 times under 2,000 requests; `-- --requests 200 --toggles 20` is shorter."""
    session.run(environments.develop(), "-m", "tests.soak.served", *session.posargs, env=VARIABLES)


@nox.session
def diffusers(session: nox.Session) -> None:
    """Test the installed wheel in real diffusers pipelines; `-- -k 0.42.1` selects one release."""
    _pytest(session, "tests/engines/diffusers")


@nox.session
def vllm(session: nox.Session) -> None:
    """Test the installed wheel in real vLLM engines; `-- -k NAME` selects tests."""
    _pytest(session, "tests/engines/vllm")


@nox.session
def vllm_all(session: nox.Session) -> None:
    """Test every hybrid in every vLLM engine, which takes too long for `make test`; `-- -k 0.21.0` selects one release."""
    _pytest(session, "tests/engines/vllm_all")


@nox.session
def sglang(session: nox.Session) -> None:
    """Test the installed wheel in real SGLang diffusion engines on two ranks, three releases; `-- -k 0.5.23` selects one."""
    _pytest(session, "tests/engines/sglang")


@nox.session
def sweep(session: nox.Session) -> None:
    """Run the full versions of tests that `make test` only samples; takes half an hour."""
    data_parallel = ["tests/contract/test_dp_all_reduce.py", "tests/engines/vllm/test_data_parallel.py"]
    contract = [f"tests/contract/test_{name}.py" for name in ("sglang_schedulers", "scheduler_fuzz", "prompt_logprobs", "repeatable")]
    files = session.posargs or [*contract, *data_parallel]
    session.run(environments.develop(), "-m", "pytest", "--sweep", *files, env=VARIABLES)


@nox.session
def sglang_all(session: nox.Session) -> None:
    """Test seven releases, `sglang generate` and `sglang serve`, too, which takes too long for `make test`."""
    _pytest(session, "tests/engines/sglang", "tests/engines/sglang_all", "--sweep")


@nox.session
def sglang_srt_all(session: nox.Session) -> None:
    """Test the installed wheel in SGLang's language engine on the CPU, which takes minutes to start on a busy machine."""
    _pytest(session, "tests/engines/sglang_srt")


@nox.session
def vllm_omni_all(session: nox.Session) -> None:
    """Test the installed wheel in vLLM-Omni's diffusion worker and pipelines on the CPU; makes an environment; `-- -k 0.30.0` selects."""
    _pytest(session, "tests/engines/vllm_omni")


@nox.session
def gpu_build(session: nox.Session) -> None:
    """Run the demos and `make test` in a fresh clone, with torch built for CUDA; `-- TARGET` selects targets of make.

    Not part of `make test`, because of its size: gigabytes stay in the folder `gpu-build` of the cache, for the next run.
    """
    cache = environments.cache_root() / "gpu-build"
    clone, constraint = cache / "clone", cache / "constraint.txt"
    shutil.rmtree(clone, ignore_errors=True)
    session.run("git", "clone", "--quiet", ROOT, clone, external=True)
    # A local version, as that of a CPU build, does not satisfy ===.
    constraint.write_text("".join(f"{pin.replace('==', '===')}\n" for pin in environments.load("torch").requirements))
    variables = {"PIP_CONSTRAINT": str(constraint), environments.CACHE_VARIABLE: str(cache)}
    with session.chdir(clone):
        session.run(sys.executable, "-m", "tests.environments", "build", "torch", env=variables)
        if not list(cache.glob("torch-*/lib/python3*/site-packages/torch/lib/libtorch_cuda.so")):
            session.error(f"pip found no build of torch for CUDA: no libtorch_cuda.so in {cache}")
        session.run("make", *(session.posargs or ["demo", "demo-vllm", "demo-sglang", "test"]), env=variables, external=True)


@nox.session
@nox.parametrize("version", ["3.10", "3.12", "3.13"])
def python(session: nox.Session, version: str) -> None:
    """Test the wheel under another Python, without torch; not part of `make test`, which needs only one Python."""
    interpreter = shutil.which(f"python{version}")
    if interpreter is None or subprocess.run([interpreter, "--version"], check=False).returncode != 0:
        session.error(f"no working python{version} on PATH")
    home = Path(session.create_tmp()) / "environment"
    session.run(interpreter, "-m", "venv", "--clear", home)
    own = environments.python_of(home)
    session.run(own, "-m", "pip", "install", "--quiet", f"{environments.wheel()}[test]", silent=True)
    session.run(home / "bin" / "syncfree", "--help", silent=True)
    kept = ("-m", "not with_torch and not editable")
    session.run(own, "-m", "pytest", "tests/unit", *kept, *session.posargs, env=VARIABLES)


def _without_nvidia(session: nox.Session, release: str) -> tuple[Path, dict[str, str]]:
    """Return the Python with a release of torch for CUDA, and variables with which it can be imported without NVIDIA's libraries."""
    python = environments.develop(cuda=release)
    stubs = session.run(python, "-m", "tests.dry_run.stub_libraries", silent=True, log=False)
    return python, VARIABLES | {"LD_LIBRARY_PATH": str(stubs).strip(), "SYNC_AUDIT_DRY_RUN_DEVICES": "0"}


def _pytest(session: nox.Session, *arguments: str, cuda: bool | str = False) -> None:
    """Run the tests of some folders on the working tree; a missing folder or no collected test fails the session."""
    session.run(environments.develop(cuda=cuda), "-m", "pytest", *arguments, *session.posargs, env=VARIABLES)


def _installed_layout(farm: Path) -> Path:
    """Make links that lay out the three folders as the package `syncfree`, for mypy; return `farm`."""
    shutil.rmtree(farm, ignore_errors=True)
    package = farm / "syncfree"
    package.mkdir(parents=True)
    for entry in (ROOT / "registry").iterdir():
        if entry.name not in ("_site", "__pycache__"):
            (package / entry.name).symlink_to(entry)
    for name in ("plugins", "adapters"):
        (package / name).symlink_to(ROOT / name)
    return farm
