"""MkDocs hooks: files above docs/ that pages link to are on the site, and GitHub's Markdown is read as GitHub reads it.

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
