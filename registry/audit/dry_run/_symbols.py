"""The symbols of NVIDIA's libraries that the shared objects of an installation need, read with ``readelf``."""

from __future__ import annotations

import mmap
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from .._errors import AuditError

OF_NVIDIA = r"(__)?(cuda[A-Z]|cu[A-Z]|cublas|cudnn|cufft|curand|cusparse|cusolver|nccl|nvrtc|nvshmem|cupti|nvml|nvJitLink)"
"""The prefixes of the symbols of NVIDIA's libraries."""
_LIBRARY_OF_PREFIX = (
    ("nccl", "libnccl"),
    ("nvrtc", "libnvrtc"),
    ("nvshmem", "libnvshmem_host"),
    ("nvml", "libnvidia-ml"),
    ("nvJitLink", "libnvJitLink"),
    ("cudnn", "libcudnn"),
    ("cufft", "libcufft"),
    ("curand", "libcurand"),
    ("cusparseLt", "libcusparseLt"),
    ("cusparse", "libcusparse"),
    ("cusolver", "libcusolver"),
    ("cuFile", "libcufile"),
    ("cublasLt", "libcublasLt"),
    ("cublas", "libcublas"),
    ("cupti", "libcupti"),
    ("__cuda", "libcudart"),
    ("cuda", "libcudart"),
    ("cu", "libcuda"),
)
_NAME_OF_DRIVER_FUNCTION = re.compile(rb"\0(cu[A-Z][a-zA-Z0-9]{3,60}(?:_v\d)?|nvml[A-Z][a-zA-Z0-9]{3,60}(?:_v\d)?)(?=_?\0)")
_NEVER_LINKED = {"libcuda": "libcuda.so.1", "libnvidia-ml": "libnvidia-ml.so.1"}
"""Libraries of the driver: they are opened by name at run time, with this one."""


def needed_libraries(objects: Iterable[Path]) -> dict[str, str]:
    """Return the libraries of NVIDIA that some shared objects are linked against: ``{"libcudart": "libcudart.so.13"}``."""
    found = dict(_NEVER_LINKED)
    for line in _readelf("--dynamic", objects):
        match = re.search(r"\(NEEDED\).*\[((lib(?:cu|nv|nccl)[\w-]*)\.so(\.\d+)*)\]", line)
        if match:
            found[match[2]] = match[1]
    return found


def undefined_symbols(objects: Iterable[Path], libraries: Mapping[str, str]) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Return the symbols of NVIDIA's that some shared objects use and do not define, by library, and the versions asked for.

    Args:
        objects: the shared objects.
        libraries: what `needed_libraries` found.

    Returns:
        Symbols by library (``"libcudart"``), and the version that symbols of a library are bound with
        (``{"libcudart": "libcudart.so.13"}``); a library without one is not in it.
    """
    wanted: dict[str, set[str]] = {name: set() for name in libraries}
    versions: dict[str, str] = {}
    defined = set()
    for line in _readelf("--dyn-syms", objects):
        fields = line.split()
        if len(fields) < 8 or not fields[0].rstrip(":").isdigit():
            continue
        name, _, version = fields[7].partition("@")
        if fields[6] != "UND":
            defined.add(name)
        elif re.match(OF_NVIDIA, name):
            library = next(library for prefix, library in _LIBRARY_OF_PREFIX if name.startswith(prefix))
            wanted.setdefault(library, set()).add(name)
            if version:
                versions[library] = version.lstrip("@")
    return {library: names - defined for library, names in wanted.items()}, versions


def named_driver_functions(objects: Iterable[Path]) -> dict[str, set[str]]:
    """Return functions of the driver's libraries that shared objects look up at run time, by a name that is a text in them."""
    found: dict[str, set[str]] = {"libcuda": set(), "libnvidia-ml": set()}
    for path in objects:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for match in _NAME_OF_DRIVER_FUNCTION.finditer(content):
                name = match[1].decode()
                found["libnvidia-ml" if name.startswith("nvml") else "libcuda"].add(name)
    return found


def source_driver_functions(sources: Iterable[Path]) -> set[str]:
    """Return functions of the driver's library that C sources name, which are compiled and linked at run time."""
    return {name for path in sources for name in re.findall(r"\bcu[A-Z]\w+", path.read_text("utf-8"))}


def _readelf(what: str, objects: Iterable[Path]) -> list[str]:
    try:
        done = subprocess.run(["readelf", what, "--wide", *map(str, objects)], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise AuditError("the dry run needs readelf (of binutils) and g++ to build its stand-ins; install them") from error
    return done.stdout.splitlines()
