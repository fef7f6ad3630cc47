"""The walks of CONTRIBUTING.md name files and sessions that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PLACEHOLDER = re.compile(r"<\w+>")
PATHS = sorted(set(re.findall(r"\b(?:registry|plugins|adapters|tests|docs)/[\w<>./-]*[\w>]", TEXT)))
WALKS = ("Add an implementation", "Add a hook", "Support a new release")


def section(walk: str) -> str:
    (found,) = re.findall(rf"^## {walk}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists_for_some_value_of_its_placeholders(path: str) -> None:
    assert list(ROOT.glob(PLACEHOLDER.sub("*", path)))


@pytest.mark.parametrize("walk", WALKS)
def test_a_walk_has_its_files_and_its_commands(walk: str) -> None:
    text = section(walk)
    assert text.count("\n| `") >= 4
    assert "make docs" in text
    assert "-m pytest tests/" in text


def test_every_session_is_one_of_noxs() -> None:
    sessions = set(re.findall(r"^def (\w+)\(session: ", (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE))
    named = {name for names in re.findall(r"SESSIONS='([^']+)'", TEXT) for name in PLACEHOLDER.sub("", names).split()}
    assert {"lint", "types", "unit", "contract"} <= named <= sessions


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"^\s*make ([\w-]+)", TEXT, re.MULTILINE))
    assert {"test", "docs"} <= named <= targets
