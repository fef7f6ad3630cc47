"""The how-to pages: what they let a reader copy is accepted."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from syncfree._select import read_selection
from syncfree.hooks import HOOKS

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
SWITCHED = re.compile(r"syncfree (?:toggle|ab) ([a-z_]{4,})")


def test_the_configuration_file_of_the_config_map_is_accepted(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "kubernetes.md").read_text("utf-8")
    (written,) = re.findall(r"^  hooks\.toml: \|\n((?:    .*\n)+)", page, re.MULTILINE)
    file = tmp_path / "hooks.toml"
    file.write_text(textwrap.dedent(written))
    selection = read_selection({"SYNCFREE_CONFIG": str(file)}, HOOKS)
    assert selection.choice("lora_mapping").name == "sync_free"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_hook_that_a_command_switches_exists(page: Path) -> None:
    assert set(SWITCHED.findall(page.read_text("utf-8"))) <= set(HOOKS)


def test_every_how_to_page_is_in_their_index() -> None:
    index = (ROOT / "docs" / "how-to" / "index.md").read_text("utf-8")
    assert {page.name for page in PAGES} == {*re.findall(r"\]\(([\w-]+\.md)\)", index), "index.md"}
