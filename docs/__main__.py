"""Write the generated pages and tables: ``python -m docs``, or ``make docs``. With ``--check``, exit with 1 when one is stale.

Measured pages are not written here, because measuring takes minutes: ``python -m docs.diffusers_schedulers`` writes
``diffusers-schedulers.md``, and the demos draw their pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from tests.contract.support import sglang_srt_waits

from . import (
    architecture_page,
    framework_tables,
    hooks_page,
    hostile_page,
    sweep_table,
    upstream_tests_page,
    waits_page,
    why_table,
)

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- begin: written by python -m docs -->\n", "<!-- end -->\n"


def with_table(page: str, *tables: Callable[[], str]) -> str:
    """Return a hand-written page with new tables between its markers, in their order."""
    written, rest = "", (ROOT / page).read_text("utf-8")
    for table in tables:
        before, begin, rest = rest.partition(BEGIN)
        _, end, rest = rest.partition(END)
        if not (begin and end):
            raise SystemExit(f"{page} has no table between {BEGIN.strip()} and {END.strip()}")
        written += before + begin + table() + end
    return written + rest


def rules() -> str:
    """Return the page of the auditor's rules; the import needs torch."""
    from syncfree.audit import rules_page

    return rules_page.render()


def lint_codes() -> str:
    """Return the table of the codes of ``syncfree lint``."""
    from syncfree.lint import CODES

    lines = ["| code | what is found | looked for in | why | instead |", "|---|---|---|---|---|"]
    for one in CODES.values():
        lines.append(f"| {one.code} | {one.found} | {'hot functions' if one.hot else 'all'} | {one.reason} | {one.replacement} |")
    return "\n".join(lines) + "\n"


OF_ONE_PAGE: dict[str, tuple[Callable[[], str], ...]] = {"docs/sglang-srt.md": (sglang_srt_waits.table,)}
"""Further tables of a framework's page, below that of its bindings."""

PAGES: dict[str, Callable[[], str]] = {
    "README.md": partial(with_table, "README.md", hooks_page.short_table),
    "docs/hooks.md": hooks_page.page,
    **{
        page: partial(with_table, page, partial(framework_tables.table, adapter), *OF_ONE_PAGE.get(page, ()))
        for page, adapter in framework_tables.PAGES.items()
    },
    "docs/architecture.md": partial(with_table, "docs/architecture.md", architecture_page.table),
    "docs/pictures/architecture.svg": architecture_page.picture,
    "docs/hostile.md": hostile_page.page,
    "docs/dry-run.md": partial(with_table, "docs/dry-run.md", sweep_table.table),
    "docs/lint.md": partial(with_table, "docs/lint.md", lint_codes),
    "docs/sync-rules.md": rules,
    "docs/upstream-tests.md": upstream_tests_page.page,
    "docs/waits.md": waits_page.page,
    "docs/why.md": partial(with_table, "docs/why.md", why_table.table),
}


def stale(names: Iterable[str] = PAGES) -> list[str]:
    """Return the generated pages that differ from what would be written now."""
    return [name for name in names if not _is_current(ROOT / name, PAGES[name]())]


def main() -> int:
    arguments = sys.argv[1:]
    if arguments not in ([], ["--check"]):
        print("usage: python -m docs [--check]", file=sys.stderr)
        return 2
    found = stale()
    for name in found:
        if arguments:
            print(f"{name} is stale; write it with `make docs`")
        else:
            (ROOT / name).write_text(PAGES[name](), "utf-8")
            print(f"wrote {name}")
    return 1 if arguments and found else 0


def _is_current(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
