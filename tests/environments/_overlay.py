"""Overlays: light environments with packages of their own on top of all packages of a base environment.

The base is never changed, so any number of processes can use it at once; making an overlay takes seconds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ._build import build, install_source, pip, python_of, run, see, site_packages_of
from ._cache import cache_root, content_key, made_once
from ._specs import load
from ._wheels import HYBRID_RELEASES, NEWER_HYBRIDS, ROOT, unpacked, vllm_hybrid, vllm_python


def overlay(base: str, *installs: str | Path, before: Sequence[Path] = (), directory: Path | None = None) -> Path:
    """Return the Python of an overlay on the environment `base`.

    `installs` are wheels, source folders or exact requirements, installed without their dependencies. `before` are
    folders of unpacked wheels that hide the base's packages of the same names. Without `directory` the overlay is shared
    through the cache and must not be changed; with it a new one is made there, which the caller may change and removes.
    """

    def make(target: Path) -> None:
        _make(target, build(base), installs, before)

    if directory is None:
        parts = [os.fspath(load(base).directory), *installs, *map(os.fspath, before)]
        directory = made_once(cache_root() / "overlays" / f"{base}-{content_key(parts)}", make)
    else:
        make(directory)
    return python_of(directory)


def release(framework: str, version: str, *installs: str | Path, cuda: bool | str = False, directory: Path | None = None) -> Path:
    """Return the Python of an overlay that has exactly this release of vLLM (others than 0.32.0: hybrids), SGLang or diffusers.

    vLLM-Omni comes with the vLLM of the same number, without its C extensions, and the diffusers that it asks for.

    With `cuda` its torch is the build for CUDA, without NVIDIA's libraries: what the dry run needs. A text is the release of torch;
    otherwise it is that of `dev`.
    """
    base, before = _base_of(framework, version)
    return overlay(base, *installs, before=(*before, *cuda_torch(cuda)), directory=directory)


def develop(*, cuda: bool | str = False) -> Path:
    """Return the Python of an overlay on `dev` with the working tree installed as editable (without `syncfree.pth`).

    With `cuda` it has the build of torch for CUDA, without NVIDIA's libraries: what the dry run needs. A text is the release of
    torch; otherwise it is that of `dev`.
    """
    metadata = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "setup.py")]
    before = cuda_torch(cuda)

    def make(target: Path) -> None:
        _make(target, build("dev"), (), before)
        pip(python_of(target), "install", "--no-deps", "--no-build-isolation", "--editable", ROOT)

    key = content_key([os.fspath(load("dev").directory), os.fspath(ROOT), *map(os.fspath, before), *metadata])
    return python_of(made_once(cache_root() / "overlays" / f"develop-{key}", make))


def cuda_torch(wanted: bool | str) -> tuple[Path, ...]:
    """Return the folder that has torch as it is built for CUDA, to put before an environment's own; none where pip found that build.

    One copy of each release, 1.2 GB, serves every environment.
    """
    if not wanted:
        return ()
    (pinned,) = (pin.removeprefix("torch==") for pin in load("torch").requirements if pin.startswith("torch=="))
    release = wanted if isinstance(wanted, str) else pinned
    if release == pinned and list(build("torch").glob("lib/python3*/site-packages/torch/lib/libtorch_cuda.so")):
        return ()
    # A local version, as that of a CPU build, does not satisfy ===.
    return (site_packages_of(overlay("dev", f"torch==={release}").parent.parent),)


def _base_of(framework: str, version: str) -> tuple[str, tuple[Path, ...]]:
    number = tuple(int(part) for part in version.split(".")[:3])
    if framework == "vllm":
        if version in (*HYBRID_RELEASES, *NEWER_HYBRIDS):
            hybrid = vllm_hybrid(version)
            return "vllm-0.32.0", (hybrid, hybrid / "extra")
        return f"vllm-{version}", ()
    if framework == "sglang":
        base = "0.5.23" if number >= (0, 5, 21) else "0.5.11"
    elif framework == "vllm-omni":
        omni = unpacked("vllm-omni", version)
        return "vllm-omni", (omni, vllm_python(version), unpacked("diffusers", _wanted(omni, "diffusers")))
    elif framework == "diffusers":
        base = "0.37.0" if number <= (0, 37, 0) else "0.42.1"
    else:
        raise ValueError(f"no framework named {framework!r}; known: vllm, sglang, diffusers, vllm-omni")
    return f"{framework}-{base}", () if version == base else (unpacked(framework, version),)


def _wanted(wheel: Path, project: str) -> str:
    """Return the release of a project that the metadata of an unpacked wheel asks for, exactly."""
    (metadata,) = wheel.glob("*.dist-info/METADATA")
    (line,) = (line for line in metadata.read_text().splitlines() if line.startswith(f"Requires-Dist: {project}=="))
    return line.partition("==")[2]


def _make(target: Path, base: Path, installs: Sequence[str | Path], before: Sequence[Path]) -> None:
    run(python_of(base), "-m", "venv", "--without-pip", target)
    # Python reads .pth files in the order of their names: folders that must hide the base come first.
    (site_packages_of(target) / "0-before.pth").write_text("".join(f"{folder}\n" for folder in before))
    see(target, base)
    _copy_scripts(base, target)
    for item in installs:
        if isinstance(item, Path) and item.is_dir():
            install_source(python_of(target), item)
        else:
            pip(python_of(target), "install", "--no-deps", item)


def _copy_scripts(base: Path, target: Path) -> None:
    """Copy the base's commands (`vllm`, `sglang`, `pip`, ...) to the overlay, to run with the overlay's Python."""
    shebang = f"#!{python_of(base)}"
    for script in (base / "bin").iterdir():
        if script.is_symlink() or (target / "bin" / script.name).exists():
            continue
        content = script.read_bytes()
        if content.startswith(shebang.encode()):
            copy = target / "bin" / script.name
            copy.write_bytes(content.replace(shebang.encode(), f"#!{python_of(target)}".encode(), 1))
            copy.chmod(0o755)
