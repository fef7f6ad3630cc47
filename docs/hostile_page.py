"""The page of the hostile situations: what the last recorded run of `nox -s hostile_all` tried, and the results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RECORD = Path(__file__).parents[1] / "tests" / "hostile" / "record.json"
HEAD = """# Hostile situations

Written by `python -m docs` from the results of `nox -s hostile_all -- --record`; do not edit. Nearly every situation runs in a separate
process with the installed wheel (orders of calls and answers of servers share some), most of them with a small made-up framework named
diffusers, some with the released one. A situation is *held* when the result is as without syncfree or as documented, *refused* when it
ends in a line that names what was requested, or left out, and why. Any other result fails: a process that hangs, a framework that fails to
import although no explicit choice is unmet, a choice that is silently ignored, a plan that differs from what a call does.

| family | what | tried | held | refused | for example |
|---|---|---:|---:|---:|---|
"""


def page() -> str:
    """Return the page for the current record."""
    record: dict[str, dict[str, Any]] = json.loads(RECORD.read_text("utf-8"))
    rows = "".join(_row(family, row) for family, row in record.items())
    tried, held, refused = (sum(row[column] for row in record.values()) for column in ("tried", "held", "refused"))
    return f"{HEAD}{rows}| all | | {tried} | {held} | {refused} | |\n"


def _row(family: str, row: dict[str, Any]) -> str:
    message = row["message"].replace("|", "\\|").replace("`", "'")
    cells = (family, row["what"], row["tried"], row["held"], row["refused"], f"`{message}`" if message else "")
    return f"| {' | '.join(map(str, cells))} |\n"
