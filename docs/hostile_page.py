"""The page of the hostile situations: what the last recorded run of `nox -s hostile` tried, and what became of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RECORD = Path(__file__).parents[1] / "tests" / "hostile" / "record.json"
HEAD = """# Hostile situations

Written by `python -m docs` from what `nox -s hostile_all -- --record` saw; do not edit. Nearly every situation is a process of its
own with the installed wheel (orders of calls and answers of servers share some), most of them in a framework of a few lines that is
called diffusers, some in the released one. One is *held* when the result is as without syncfree or as documented, *refused* when it
ends in a line that says what was asked for, or what was left out, and why. Nothing else passes: no process hangs, no framework fails
to import without an explicit choice that cannot be met, no choice is lost in silence, no plan says something else than what a call does.

| family | what | tried | held | refused | for example |
|---|---|---:|---:|---:|---|
"""


def page() -> str:
    """The page for the record as it is."""
    record: dict[str, dict[str, Any]] = json.loads(RECORD.read_text("utf-8"))
    rows = "".join(_row(family, row) for family, row in record.items())
    tried, held, refused = (sum(row[column] for row in record.values()) for column in ("tried", "held", "refused"))
    return f"{HEAD}{rows}| all | | {tried} | {held} | {refused} | |\n"


def _row(family: str, row: dict[str, Any]) -> str:
    message = row["message"].replace("|", "\\|").replace("`", "'")
    cells = (family, row["what"], row["tried"], row["held"], row["refused"], f"`{message}`" if message else "")
    return f"| {' | '.join(map(str, cells))} |\n"
