"""The page of ``syncfree report``."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from syncfree.cli._app import app
from syncfree.measuring._page import page
from syncfree.measuring._plots import dots

from .test_measuring import comparison

VOID = {"meta", "rect", "path"}


class Checked(HTMLParser):
    """Collects elements, and fails where one is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_one_file_without_scripts() -> None:
    found = Checked(page([comparison(1.2)]))
    assert found.open == []
    tags = {tag for tag, _ in found.seen}
    assert not tags & {"script", "link", "img", "iframe", "object", "image", "use"}
    assert not any(name in attributes for _, attributes in found.seen for name in ("src", "href", "onclick", "onload"))
    assert ("meta", {"name": "viewport", "content": "width=device-width,initial-scale=1"}) in found.seen
    assert "url(" not in page([comparison(1.2)])


def test_the_page_says_what_was_found() -> None:
    text = Checked(page([comparison(1.2, differences=("call 1 <differs>",))])).text
    assert "pooled_rows: A = reference, B = sync_free" in text
    assert "faster" in text
    assert "call 1 <differs>" in text
    assert "10 rounds of A against A, 100 of A against B; all rounds are made" in text


def test_foreign_text_is_text() -> None:
    evil = "<script>alert(1)</script>"
    source = {"kind": "command", "command": [evil]}
    text = page([comparison(source=source, versions={evil: evil}, machine={"cpu": evil}, differences=(evil,), when=evil)])
    assert "<script" not in text
    assert Checked(text).open == []


def test_comparisons_of_the_same_choices_are_side_by_side_in_the_order_of_time() -> None:
    later = comparison(1.2, when="2026-02-01T00:00:00+00:00", versions={"vllm": "0.33.0"})
    earlier = comparison(1.1, when="2026-01-01T00:00:00+00:00", versions={"vllm": "0.32.0"})
    text = Checked(page([later, earlier])).text
    assert text.count("A = reference, B = sync_free") == 1
    assert text.index("vllm 0.32.0") < text.index("vllm 0.33.0")


@pytest.mark.parametrize("ratios", [[1.2] * 200 + [50.0], [1.2] * 27 + [50.0], [1.2] * 30 + [0.0]])
def test_the_axis_of_a_plot_holds_1_and_all_but_the_outliers(ratios: list[float]) -> None:
    _, low, high = dots(ratios)
    assert 0.5 < low < 1 < 1.2 < high < 2


def test_the_command_reads_files_and_writes_the_page(tmp_path: Path) -> None:
    file, html = tmp_path / "a.json", tmp_path / "page.html"
    file.write_text(json.dumps(comparison(1.2).as_dict()))
    done = CliRunner().invoke(app, ["report", str(file), "--html", str(html)])
    assert done.exit_code == 0, done.output
    assert "pooled_rows, host time per call: sync_free is faster than reference" in done.output
    assert html.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.json"], "nothing.json cannot be read"),
        (["{file}", "--html", "{file}"], "is one of the files to read; give another name"),
        (["{file}", "--html", "/dev/null/x"], "--html /dev/null/x cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, arguments: list[str], message: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(comparison().as_dict()))
    done = CliRunner().invoke(app, ["report", *(argument.replace("{file}", str(file)) for argument in arguments)])
    assert message in str(done.exception)
