"""MkDocs hooks: files above docs/ that pages link to are on the site; GitHub's Markdown is read as GitHub reads it; tables fit.

The pages are written for GitHub, where they are read, too. Python-Markdown differs in two points: what belongs to an item of a
list must be indented by four columns, and a list needs a blank line before it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
TITLES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "SECURITY.md": "report-a-vulnerability.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
}
ADDED = TITLES | {
    **{f"registry/hooks/{file.stem}.py": f"contracts/{file.stem}.md" for file in (ROOT / "registry" / "hooks").glob("[!_]*.py")},
    "registry/measuring/data/comparison.schema.json": "comparison.schema.json",
}
"""Files above docs/ by their path from the root, and their names on the site."""
_PATHS = {name: source for source, name in ADDED.items()}
_LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
_ITEM = re.compile(r"(\d+\.|[*-]) +")
_FENCE = re.compile(r"\s*```")
_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_CELL = re.compile(r"<td([^>]*)>(.*?)</td>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
PROSE = 60
"""Characters of a cell from which on a table is read by rows, as cards, on a narrow screen."""


def on_files(files: Files, config: Any) -> Files:
    """Add the files above docs/; a module becomes a page that shows it."""
    for source, name in ADDED.items():
        content = (ROOT / source).read_text("utf-8")
        if source.endswith(".py"):
            content = f"# Contract of `{Path(source).stem}`\n\n```python title=\"{source}\"\n{content}```\n"
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links at the site's names, and indent what belongs to an item as Python-Markdown wants it."""
    path = page.file.src_uri
    if path.startswith("contracts/"):
        return markdown
    linked = _LINK.sub(lambda link: link[1] + _target(link[2], path) + link[3], markdown)
    return "\n".join(_indented(linked.split("\n")))


def on_page_content(html: str, **_: Any) -> str:
    """Let long names in tables wrap, and prepare tables with prose in many columns for narrow screens."""
    return _TABLE.sub(lambda table: _fitted(table[0]), html)


def _fitted(table: str) -> str:
    """Return a table whose cells know their column's title if it has prose in four columns or more; ``extra.css`` uses them."""
    titles = [_TAG.sub("", title) for title in re.findall(r"<th[^>]*>(.*?)</th>", table)]
    longest = max((len(_TAG.sub("", cell)) for _, cell in _CELL.findall(table)), default=0)
    table = re.sub(r"(?<=<code>)[^<]+", lambda name: re.sub(r"([._,/=])(?=\w)", r"\1<wbr>", name[0]), table)
    if len(titles) < 4 or longest < PROSE:
        return table
    column = iter(titles * table.count("<tr>"))
    labelled = _CELL.sub(lambda cell: f'<td{cell[1]} data-title="{next(column)}">{cell[2]}</td>', table)
    return labelled.replace("<table>", "<table data-cards>", 1)


def _target(link: str, page: str) -> str:
    """Return a link of a page, which is relative to its place in the repository, relative to its place on the site."""
    source = _PATHS.get(page, f"docs/{page}")
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    if wanted == "README.md":
        wanted = "docs/index.md"
    on_site = ADDED.get(wanted, wanted.removeprefix("docs/"))
    return posixpath.relpath(on_site, posixpath.dirname(page) or ".")


def _indented(lines: list[str]) -> list[str]:
    """Return lines with four columns before what belongs to an item of a list, and a blank line before a list."""
    written: list[str] = []
    width, fenced = 0, False
    for line in lines:
        item = None if fenced else _ITEM.match(line)
        if _FENCE.match(line):
            fenced = not fenced
        if item:
            if not width and written and written[-1].strip():
                written.append("")
            width = item.end()
        elif line.strip() and not line.startswith(" ") and not fenced:
            width = 0
        belongs = width and not item and line.startswith(" " * width)
        written.append("    " + line[width:] if belongs else line)
    return written
