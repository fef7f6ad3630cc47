"""``syncfree lint``: find waits and races of copies in source code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..audit._printed import annotation
from ..lint._codes import CODES
from ..lint._files import check_file, files
from ..lint._finding import Finding
from ..lint._settings import LintError, Settings, find_file, read
from ._output import print_error, print_json, print_line, print_paragraph, print_table

_CANNOT_CHECK = 2


def lint_command(
    path: Annotated[list[Path] | None, typer.Argument(help="Files and folders. Default: the working directory.")] = None,
    hot: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE:FUNC", help="Functions in which waits are mistakes, too; * and ? stand for any text. Repeatable."),
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(metavar="CODE", help="Codes that are not reported. Repeatable.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: the nearest pyproject.toml.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    github: Annotated[bool, typer.Option("--github", help="Print annotations of GitHub Actions.")] = False,
    codes: Annotated[bool, typer.Option("--codes", help="Print the table of codes, and check nothing.")] = False,
) -> None:
    """Find source code that makes the host wait for the GPU, or that races with a copy, without running it.

    In every function: copies that claim not to block but do, and reads and writes that do not wait for a copy. In hot functions
    (marked by a comment `# syncfree: hot` on the line of def, or by --hot): everything that waits. Exits with status 1 when
    something was found, and with 2 when a file could not be checked.
    """
    if codes:
        _print_codes()
        return
    file = config or find_file(Path.cwd())
    settings = read(file) if file is not None else Settings()
    settings = Settings((*settings.hot, *(hot or ())), settings.hot_decorators, (*settings.ignore, *(ignore or ())), settings.exclude)
    found, problems, number = _check(path or [Path(".")], settings, (file.resolve().parent if file else Path.cwd()))
    if as_json:
        print_json([one.as_dict() for one in found])
    elif github:
        for one in found:
            about = f"{one.code} {one.about.name}"
            print_line(annotation("error", one.file, one.line, about, f"{one.about.reason}. Instead: {one.about.replacement}"))
    else:
        _print(found, number, len(problems))
    for problem in problems:
        print_error(problem)
    if problems or found:
        raise typer.Exit(_CANNOT_CHECK if problems else 1)


def _check(paths: list[Path], settings: Settings, root: Path) -> tuple[list[Finding], list[str], int]:
    """Return findings, the errors of files that could not be checked, and the number of the others."""
    found: list[Finding] = []
    problems: list[str] = []
    number = 0
    for file in files(paths, settings, root):
        try:
            found += check_file(file, settings)
            number += 1
        except LintError as error:
            problems.append(str(error))
    return found, problems, number


def _print(found: list[Finding], number: int, unchecked: int) -> None:
    for one in found:
        print_line(f"{one.file}:{one.line}:{one.column}: {one.code} {one.about.name}", "bold")
        if one.source:
            print_paragraph(one.source, 4, "dim")
        print_paragraph(f"why: {one.about.reason}", 2)
        print_paragraph(f"instead: {one.about.replacement}", 2)
    if not number and not unchecked:
        print_line("nothing was checked: no Python file is there that is not excluded")
        return
    files = "1 file" if number == 1 else f"{number} files"
    print_line(f"{len(found) or 'nothing'} found in {files}" + (f"; {unchecked} could not be checked" if unchecked else ""))


def _print_codes() -> None:
    rows = [(one.code, one.name, "hot functions" if one.hot else "everywhere") for one in CODES.values()]
    print_table(("code", "name", "looked for in"), rows)
