"""A program with a made-up framework, for commands that run programs: ``python -m tests.contract.support.made_up_program FOLDER``.

It calls the framework's function, which binds `pooled_rows`, as often as ``CALLS`` in the environment says (20). What is slower
than upstream, by how much, is said by ``SLOWER`` (a factor).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import syncfree
from syncfree import hookimpl
from syncfree._runtime import RUNTIME
from syncfree.adapting import Binding, Form
from tests.unit.made_up import MadeUp

SOURCE = """
def rows(pooled, rows):
    for _ in range(200):
        pass
    return pooled[list(rows)]
"""


def passing(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    def rows(pooled: Any, rows: Any) -> Any:
        return mine(pooled, rows)

    return rows


class Mine:
    """Upstream's work, as often as ``SLOWER`` says."""

    @hookimpl(exact=True)
    def pooled_rows(self, pooled: Any, rows: Any) -> Any:
        for _ in range(int(200 * float(os.environ.get("SLOWER", "1")))):
            pass
        return pooled[list(rows)]


def main() -> None:
    folder = Path(sys.argv[1])
    sys.path.insert(0, str(folder))
    made_up = MadeUp(folder, RUNTIME)
    made_up.release("1.0", SOURCE)
    made_up.record("made_up.work:rows")
    made_up.install("1.0")
    form = Form(">=1.0,<2", "upstreamed", "it is done there", (passing,))
    made_up.adapter(Binding("pooled_rows", ("made_up.work:rows",), (form,), repeatable=True))
    syncfree.register(Mine())
    syncfree.load("made_up")
    work = made_up.work()
    for number in range(int(os.environ.get("CALLS", "20"))):
        work.rows(torch.arange(12.0).view(4, 3) + number, [3, number % 3])


if __name__ == "__main__":
    main()
