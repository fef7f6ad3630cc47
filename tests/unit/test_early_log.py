"""Messages that are printed before a framework has configured its log."""

from __future__ import annotations

import logging
import sys

import pytest

from syncfree.adapters.early_log import early_logger

NAME = "tests.early_log"


class Unbuffered:
    """A standard error that keeps every write apart, as an unbuffered one does."""

    def __init__(self) -> None:
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes += [text] if text else []
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""


def test_a_line_and_its_end_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Unbuffered()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(logging.getLogger(f"{NAME}.root"), "handlers", [])
    logging.getLogger(early_logger(NAME, f"{NAME}.root", logging.Formatter("[%(message)s]"))).info("bound")
    assert stream.writes == ["[bound]\n"]
