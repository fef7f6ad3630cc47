"""Two data-parallel ranks of a real engine with different choices for a lockstep hook: neither starts, and both say why."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

from tests.engines.vllm import run
from tests.engines.vllm.test_data_parallel import V1, start


def test_ranks_with_different_choices_end_with_an_error_that_names_them(tmp_path: Path) -> None:
    started = start(tmp_path, ["sync_free", "upstream"])
    try:
        for process, log in started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(600)
            text = log.read_text(errors="replace")
            assert process.returncode not in (0, None), text[-4000:]
            assert f"the ranks differ in dp_all_reduce at {V1.targets[0]}: sync_free on rank 0 (pid " in text, text[-4000:]
            assert "; upstream on rank 1 (pid " in text
    finally:
        for process, _ in started:
            run.kill(process)
