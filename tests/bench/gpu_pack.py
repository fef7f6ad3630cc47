"""Pack what the benchmarks on a GPU need, for a machine that has torch and no network: ``make gpu-pack``.

The folder, and the zip file beside it, hold our wheel, diffusers, the source of SGLang diffusion, what its schedulers import, and
``run.py``, which runs everything. torch and numpy are the machine's own.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from tests import environments
from tests.environments import BuildError

PYTHON = "3.12"
DIFFUSERS, SGLANG = "0.42.1", "0.5.23"
SOURCES = "sglang/multimodal_gen/runtime"
ENGINE = ("__init__.py", "models/__init__.py")
"""Of `SOURCES`: they import the whole engine. Without them the packages around the schedulers are namespaces."""
BENCH = ("__init__.py", "gpu.py", "gpu_steps.py")
OF_THE_MACHINE = ("numpy", "numpy.libs", "numpy-*", "bin")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64")
LARGEST = 60_000_000
"""Bytes of the zip file: what can be carried to a machine without a network is often limited."""

TESTS = Path(__file__).parents[1]


def make(output: Path, python: str = PYTHON) -> Path:
    """Make the folder `output` anew, for this version of Python on Linux x86-64, and return the zip file beside it.

    Raises:
        BuildError: pip failed, with its messages on standard error, or the zip file is larger than `LARGEST`.
    """
    shutil.rmtree(output, ignore_errors=True)
    own, others = output / "own", output / "others"
    _install(own, python, "--no-deps", environments.wheel(), f"diffusers=={DIFFUSERS}")
    lock = environments.load(f"diffusers-{DIFFUSERS}").lock
    _install(others, python, "--constraint", lock, environments.wheel(), f"diffusers=={DIFFUSERS}")
    for pattern in (*OF_THE_MACHINE, *(path.name for path in own.iterdir())):
        for path in others.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    sglang = environments.unpacked("sglang", SGLANG)
    # Whole, because syncfree reads the source of every place that it may bind.
    shutil.copytree(sglang / SOURCES, own / SOURCES, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ENGINE:
        (own / SOURCES / name).unlink(missing_ok=True)
    shutil.copytree(sglang / f"sglang-{SGLANG}.dist-info", own / f"sglang-{SGLANG}.dist-info")
    (own / "tests" / "bench").mkdir(parents=True)
    shutil.copy2(TESTS / "__init__.py", own / "tests")
    for name in BENCH:
        shutil.copy2(TESTS / "bench" / name, own / "tests" / "bench")
    shutil.copy2(TESTS / "bench" / "gpu_pack_run.py", output / "run.py")
    packed = Path(shutil.make_archive(str(output), "zip", output.parent, output.name))
    if packed.stat().st_size > LARGEST:
        raise BuildError(f"{packed} has {packed.stat().st_size:,} bytes, more than {LARGEST:,}: leave a package out, see {__file__}")
    return packed


def _install(target: Path, python: str, *arguments: str | Path) -> None:
    foreign = [f"--python-version={python}", "--implementation=cp", "--only-binary=:all:", *(f"--platform={name}" for name in PLATFORMS)]
    environments.pip(sys.executable, "install", "--no-compile", "--target", target, *foreign, *arguments)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=PYTHON, help=f"the version of the machine's Python, {PYTHON} by default")
    parser.add_argument("--output", type=Path, default=Path("build/gpu-pack"), help="the folder")
    options = parser.parse_args()
    try:
        packed = make(options.output.absolute(), options.python)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    run = f"{options.output.name}/run.py --output FOLDER"
    print(f"{packed}: {packed.stat().st_size:,} bytes. On a machine with a GPU: unzip it, then python {run}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
