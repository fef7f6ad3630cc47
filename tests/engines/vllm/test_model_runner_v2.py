"""A tiny Llama on vLLM 0.32.0's Model Runner V2, whose kernels run in the Triton interpreter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import run


def generate(folder: Path, **variables: str) -> dict[str, Any]:
    folder.mkdir()
    log, result = folder / "log", folder / "result.json"
    python = run.python(run.NEWEST, *run.V2_INSTALLS)
    started = run.start(python, "model_runner_v2", run.model("llama"), result, log=log, **run.V2, **variables)
    run.finish(started, log)
    return dict(json.loads(result.read_text()))


def test_staged_writes_are_bound_by_default_and_generate_the_same(tmp_path: Path) -> None:
    off, on = generate(tmp_path / "off", SYNCFREE="off"), generate(tmp_path / "on")
    assert on["generated"] == off["generated"]
    assert all(len(request["tokens"]) == 6 for request in on["generated"])
    entry = run.binding(on, "sampler_staged_writes")
    assert (entry["verdict"], entry["state"], entry["choice"]) == ("repeats work", "bound", "sync_free")
    add, apply = (counts["sync_free"]["calls"] for counts in entry["counts"].values())
    assert add >= 4
    assert apply > add
