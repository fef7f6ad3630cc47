"""`python -m tests.environments`: list, build and use the test environments."""

from __future__ import annotations

import argparse
import sys

from ._build import build, lock, python_of
from ._cache import is_complete
from ._specs import load, names


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.environments", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name every environment, where it lies and whether it is built")
    for command, text in (
        ("build", "build and print the folder"),
        ("python", "build and print the interpreter"),
        ("lock", "write the lock file anew from the spec"),
    ):
        commands.add_parser(command, help=text).add_argument("name", nargs="+")
    options = parser.parse_args()
    if options.command == "list":
        for name in names():
            directory = load(name).directory
            print(f"{name:18} {'built ' if is_complete(directory) else 'absent'} {directory}")
        return 0
    for name in options.name:
        if options.command == "lock":
            print(lock(name))
        elif options.command == "build":
            print(build(name))
        else:
            print(python_of(build(name)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
