"""The files that a repository's host reads: the citation, the issue forms, the links between the policies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from syncfree import __version__

ROOT = Path(__file__).parents[2]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
POLICIES = ("SECURITY.md", "CODE_OF_CONDUCT.md", ".github/pull_request_template.md")


def test_the_citation_names_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.findall(r"^version: (.*)$", citation, re.MULTILINE) == [__version__]


def test_the_form_for_a_bug_requires_the_block_that_doctor_prints() -> None:
    printed = (ROOT / "registry" / "cli" / "_doctor_text.py").read_text("utf-8")
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text("utf-8")
    (title,) = re.findall(r'print_line\("(For an issue report:)"', printed)
    block = form.partition("id: doctor")[2].partition("- type:")[0]
    assert title in block
    assert "required: true" in block


@pytest.mark.parametrize("form", [form for form in FORMS if form.name != "config.yml"], ids=lambda form: form.stem)
def test_every_form_has_a_name_and_a_required_answer(form: Path) -> None:
    text = form.read_text("utf-8")
    assert re.match(r"name: .+\ndescription: .+\n", text)
    assert "required: true" in text


@pytest.mark.parametrize("page", POLICIES)
def test_every_file_that_a_policy_names_exists(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = {*re.findall(r"\]\(((?!https:)[^)#\s]+)\)", text), *re.findall(r"`([A-Z]+\.md)`", text)}
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_make_target_of_the_pull_request_template_exists() -> None:
    template = (ROOT / ".github" / "pull_request_template.md").read_text("utf-8")
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {"check", "docs"} <= set(re.findall(r"`make ([\w-]+)", template)) <= targets
