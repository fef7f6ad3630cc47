"""Every implementation that ships passes every check; `--sweep` has those of sync_free, too, which take minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncfree._own_entry_points import SHIPPED
from tests.kit.running import checked

OURS = sorted(SHIPPED["syncfree"])
LARGE = ("sync_free",)


@pytest.mark.parametrize("plugin", OURS)
def test_it_passes_every_check(plugin: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    sweep = request.config.getoption("sweep")
    # One hook of a large one is enough to see that checks and plugin fit together.
    part = ["-k", "pooled_rows"] if plugin in LARGE and not sweep else []
    done = checked(plugin, tmp_path, "--syncfree-check-examples", "30", *part, timeout=3600)
    assert done.status == 0, done.output
    assert "passed" in {outcome for outcome, _ in done.found.values()}
