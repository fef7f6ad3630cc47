"""``syncfree report``: one HTML page of comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._errors import SelectionError
from ..measuring._comparison import read_comparison
from ..measuring._page import page
from ._output import print_line


def report_command(
    files: Annotated[list[Path], typer.Argument(help="Files that syncfree ab --json wrote.")],
    html: Annotated[Path, typer.Option(metavar="FILE", help="The page.")] = Path("comparisons.html"),
) -> None:
    """Write one HTML page of comparisons, with plots; those of the same hook and choices are side by side."""
    comparisons = [read_comparison(file) for file in files]
    if html.resolve() in {file.resolve() for file in files}:
        raise SelectionError(f"--html {html} is one of the files to read; give another name")
    try:
        html.write_text(page(comparisons), encoding="utf-8")
    except OSError as error:
        raise SelectionError(f"--html {html} cannot be written: {error.strerror}") from error
    for comparison in comparisons:
        for verdict in comparison.verdicts():
            print_line(f"{comparison.hook}, {verdict}")
    print_line(f"{html}: {len(comparisons)} comparisons")
