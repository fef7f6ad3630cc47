"""The documentation's site: it builds without a warning, a broken link fails it, and a reader's browser asks no other host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.environments import build, python_of

ROOT = Path(__file__).parents[2]
OUTSIDE = re.compile(r"<(?:script|img|iframe)[^>]* src=\"(?:https?:)?//[^\"]*|<link[^>]* rel=\"?(?:stylesheet|preconnect)[^>]*https?://[^>]*")


def mkdocs(tree: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [python_of(build("site")), "-m", "mkdocs", "build", "--config-file", tree / "docs/site/mkdocs.yml", "--site-dir", target]
    environ = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run([*map(str, command)], env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    target = tmp_path_factory.mktemp("site") / "site"
    built = mkdocs(ROOT, target)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return target


def test_every_page_of_docs_is_on_the_site(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    pages = {page.with_name("index.html") if page.stem == "README" else page for page in pages}
    assert {str(page) for page in pages if not (site / page).exists()} == set()
    assert len(pages) > 30


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert pages
    assert {page.name: OUTSIDE.findall(page.read_text("utf-8")) for page in pages if OUTSIDE.search(page.read_text("utf-8"))} == {}


def test_a_list_item_keeps_the_code_that_belongs_to_it(site: Path) -> None:
    """Pages are written for GitHub, where three columns are enough."""
    page = (site / "contributing.html").read_text("utf-8")
    assert re.search(r"<li>\s*<p>Record it\.[^<]*</p>\s*<div class=\"highlight\">", page)


def test_a_contract_is_a_page_of_the_site(site: Path) -> None:
    assert 'href="contracts/schedule_upload.html"' in (site / "hooks.html").read_text("utf-8")
    assert "in stream order" in (site / "contracts" / "schedule_upload.html").read_text("utf-8")


def test_the_build_fails_for_a_broken_link(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "docs", tree / "docs")
    shutil.copytree(ROOT / "registry", tree / "registry", ignore=shutil.ignore_patterns("__pycache__"))
    for page in ROOT.glob("*.md"):
        shutil.copy2(page, tree)
    with (tree / "docs" / "why.md").open("a") as page:
        page.write("\n[nowhere](no-such-page.md)\n")
    failed = mkdocs(tree, tmp_path / "site")
    assert failed.returncode != 0
    assert "no-such-page.md" in failed.stderr


def test_a_table_with_prose_in_many_columns_can_be_read_by_rows(site: Path) -> None:
    """On a narrow screen each cell is shown with its column's title."""
    page = (site / "vllm.html").read_text("utf-8")
    assert "<table data-cards>" in page
    assert re.search(r'<td data-title="where"><code>\w', page)
    assert "data-cards" not in (site / "why.html").read_text("utf-8"), "a table of figures stays a table"
