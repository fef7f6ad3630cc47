"""Runs of ``pytest --syncfree-check`` that go another way: unknown plugins, processes that end, wrong options."""

from __future__ import annotations

from pathlib import Path

from tests.kit.running import checked


def test_an_unknown_plugin_is_one_failed_test_with_the_nearest_name(tmp_path: Path) -> None:
    done = checked("sync_fre", tmp_path)
    assert done.status == 1
    assert done.failed["loads"].startswith("no plugin 'sync_fre' is installed; did you mean 'sync_free'?")


def test_a_plugin_that_ends_its_process_is_named_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "ending.py").write_text(ENDING)
    done = checked("ending:postprocess", tmp_path, "-k", "returns or types")
    assert "ended with status 3" in done.failed["returns"], done.output
    assert "no licence" in done.failed["returns"]
    assert done.found["postprocess", "types"] == ("skipped", "not run: returns failed")


def test_impossible_limits_are_wrong_usage(tmp_path: Path) -> None:
    done = checked("sync_free", tmp_path, "--syncfree-check-limit", "0")
    assert done.status == 4
    assert "--syncfree-check-limit is a number of seconds above 0" in done.output


ENDING = '''
import os
from syncfree import hookimpl

@hookimpl(exact=True, needs=("torch",))
def postprocess(decoded):
    os.write(2, b"no licence")
    os._exit(3)
'''
