"""`python -m tests.models NAME...`: make tiny models; prints their folders."""

from __future__ import annotations

import argparse

from . import NAMES, tiny_model

parser = argparse.ArgumentParser(prog="python -m tests.models", description=__doc__)
parser.add_argument("name", nargs="+", choices=NAMES)
for name in parser.parse_args().name:
    print(tiny_model(name))
