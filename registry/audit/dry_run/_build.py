"""Build the stub libraries that stand in for NVIDIA's: once for each build of torch, kept in the user's cache.

Every symbol that torch and the other packages with CUDA code use is there. Those that must do something, such as hand out
memory or report a wait, are written in ``stubs/``; every other one returns 0, which means success in all of NVIDIA's libraries.
Neither NVIDIA's headers nor its libraries are needed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..._version import __version__
from .._errors import AuditError
from ._other_libraries import PACKAGES_VARIABLE
from ._prototypes import stand_in
from ._symbols import named_driver_functions, needed_libraries, source_driver_functions, undefined_symbols

PACKAGES = ("torch", "torchvision", "torchaudio", "vllm", "sgl_kernel", "flash_attn", "flashinfer", "xformers", "deep_gemm")
"""Packages whose shared objects may use NVIDIA's libraries; more are named by the user in `PACKAGES_VARIABLE`."""
MAJORS = (12, 13)
"""The major releases of CUDA that the stubs have the structures of."""

_NEWEST_CUDNN = 99900  # any release of the major one is below it
_SOURCES = Path(__file__).parent / "stubs"


@dataclass(frozen=True, slots=True)
class Torch:
    """The installed build of torch, read without importing it.

    Attributes:
        cudnn: the release of cuDNN that it was built with, as ``cudnnGetVersion`` gives it.
    """

    version: str
    cuda: str
    cudnn: int

    @property
    def major(self) -> int:
        """The major release of CUDA that it was built with."""
        return int(self.cuda.partition(".")[0])


def installed_torch() -> Torch:
    """Read which build of torch is installed.

    Raises:
        AuditError: there is none, or it is not built for a CUDA that the stubs know.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        raise AuditError("an audit needs PyTorch, and this Python has no torch; install it in this environment")
    folder = Path(spec.submodule_search_locations[0])
    text = (folder / "version.py").read_text("utf-8")
    said = dict(re.findall(r"^(__version__|cuda|hip)\b[^=]*= *'([^']*)'", text, re.MULTILINE))
    version = said.get("__version__", "of an unknown version")
    if said.get("hip"):
        raise AuditError(f"torch {version} is built for ROCm; the dry run stands in for NVIDIA's libraries alone")
    if not said.get("cuda"):
        raise AuditError(
            f"torch {version} is built for the CPU, so it has no CUDA code to run. Install the build for CUDA (the default one of "
            "PyPI; a GPU is not needed), or use the simulated device: --backend simulated"
        )
    torch = Torch(version, said["cuda"], _cudnn(folder))
    if torch.major not in MAJORS:
        known = ", ".join(map(str, MAJORS))
        raise AuditError(f"torch {version} is built for CUDA {torch.cuda}; the dry run knows CUDA {known}")
    return torch


def _cudnn(torch: Path) -> int:
    """Return the release of cuDNN that torch's distribution asks for, and that torch refuses to run below."""
    for file in torch.parent.glob("torch-*.dist-info/METADATA"):
        found = re.search(r"nvidia-cudnn-cu\d+ *[=>]=(\d+)\.(\d+)\.(\d+)", file.read_text("utf-8", "replace"))
        if found:
            major, minor, patch = map(int, found.groups())
            return major * 10000 + minor * 100 + patch
    return _NEWEST_CUDNN  # a build that was not installed by pip


def build() -> list[Path]:
    """Return the stub libraries for the installed packages, in the order to load them; they are built where they are not yet.

    Raises:
        AuditError: torch is not a build for CUDA, g++ is missing or fails, or there is no package that the user named; the message
            says what to do.
    """
    torch = installed_torch()
    objects = _shared_objects()
    folder = _cache() / _key(torch, objects)
    if not folder.is_dir():
        _make(folder, torch, objects)
    return [folder / name for name in (folder / "order.txt").read_text().split()]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "syncfree" / "dry-run"


def _shared_objects() -> list[Path]:
    named = [name for name in os.environ.get(PACKAGES_VARIABLE, "").replace(" ", "").split(",") if name]
    found = []
    for package in (*PACKAGES, *named):
        spec = importlib.util.find_spec(package)
        if spec is None:
            if package in named:
                raise AuditError(f"{PACKAGES_VARIABLE} names {package!r}, which this Python cannot import; correct the name")
            continue
        if not spec.submodule_search_locations:
            found.append(Path(spec.origin or ""))
        for folder in spec.submodule_search_locations or ():
            found += [path for path in Path(folder).rglob("*.so*") if not path.is_symlink() and path.is_file()]
    return sorted(path for path in found if ".so" in path.name)


def _sources() -> list[Path]:
    """C sources that Triton compiles at run time and links to the driver's library."""
    spec = importlib.util.find_spec("triton")
    folders = (spec.submodule_search_locations or ()) if spec is not None else ()
    return sorted(path for folder in folders for path in Path(folder).glob("backends/nvidia/*.c"))


def _key(torch: Torch, objects: Iterable[Path]) -> str:
    content = hashlib.sha256(f"{__version__} {torch.version} {torch.cuda}".encode())
    for source in sorted((*_SOURCES.iterdir(), *_SOURCES.parent.glob("*.py"))):
        content.update(source.read_bytes())
    for path in (*objects, *_sources()):
        content.update(f"{path} {path.stat().st_size}".encode())
    return f"torch-{torch.version}-{content.hexdigest()[:12]}"


def _make(folder: Path, torch: Torch, objects: list[Path]) -> None:
    compiler = shutil.which("g++")
    if compiler is None:
        raise AuditError("the dry run builds small libraries in the place of NVIDIA's, and there is no g++; install it")
    libraries = needed_libraries(objects)
    symbols, versions = undefined_symbols(objects, libraries)
    for library, names in named_driver_functions(objects).items():
        symbols.setdefault(library, set()).update(names)
    symbols["libcuda"] |= source_driver_functions(_sources())
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as name:
        building = Path(name) / "stubs"
        building.mkdir()
        order = ["libcuda", "libcudart", *sorted(libraries.keys() - {"libcuda", "libcudart"})]
        commands = [
            _command(compiler, building, library, libraries, symbols.get(library, set()), versions.get(library), torch)
            for library in order
        ]
        _run(commands[0])  # the others are linked against it
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_run, commands[1:]))
        (building / "order.txt").write_text("\n".join(libraries[library] for library in order))
        try:
            building.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process was faster
                raise


def _command(
    compiler: str, folder: Path, library: str, libraries: Mapping[str, str], symbols: set[str], version: str | None, torch: Torch
) -> list[str]:
    """Write the source of the symbols that only succeed; return the command that makes the library."""
    written = _SOURCES / f"{library}.cpp"
    has = set(re.findall(r"^EXPORT [^(]*?(\w+)\(", written.read_text(), re.MULTILINE)) if written.exists() else set()
    rest = folder / f"{library}-rest.cpp"
    functions = "\n".join(stand_in(name) for name in sorted(symbols - has))
    rest.write_text(f"#include <cstddef>\n#include <cstdint>\n{functions}\n")
    command = [compiler, "-std=c++17", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-w"]
    command += [f"-DCUDA_MAJOR={torch.major}", f"-DCUDNN_VERSION={torch.cudnn}"]
    command += ["-o", str(folder / libraries[library]), f"-Wl,-soname,{libraries[library]}", str(rest)]
    if written.exists():
        command.append(str(written))
    if version is not None:
        script = folder / f"{library}.map"
        script.write_text(f"{version} {{ global: *; }};\n")
        command.append(f"-Wl,--version-script={script}")
    if library != "libcuda":
        command += [f"-L{folder}", "-l:libcuda.so.1"]
    return [*command, "-ldl"]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AuditError(f"g++ could not build the stub libraries of the dry run: {done.stderr.strip()[:1000]}")
