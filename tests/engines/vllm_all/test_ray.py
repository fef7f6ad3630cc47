"""A worker that Ray starts, with vLLM's own Ray executor on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

from tests.engines.vllm import run

HERE = Path(__file__).parent
RAY = (
    *("ray==2.60.0", "msgpack==1.1.2", "jsonschema==4.25.1", "jsonschema-specifications==2025.9.1"),
    *("referencing==0.36.2", "rpds-py==0.27.1", "attrs==25.3.0"),
)


def test_the_drivers_choice_reaches_the_worker_through_vllm(tmp_path: Path) -> None:
    log, result = tmp_path / "log", tmp_path / "result.json"
    python = run.python(run.NEWEST, *RAY, HERE / "ray_shim")
    variables = {"RAY_OVERRIDE_RESOURCES": '{"GPU": 2}', "RAY_USAGE_STATS_ENABLED": "0"}
    started = run.start(python, "ray_worker", run.model("llama"), result, log=log, **variables)
    run.finish(started, log)
    answer = json.loads(result.read_text())
    (worker,) = answer["workers"]
    assert worker["pid"] != answer["pid"]
    (entry,) = (entry for entry in worker["bindings"] if entry["hook"] == "bad_words_mask")
    assert (entry["choice"], entry["source"], entry["state"]) == ("sync_free", "SYNCFREE_BAD_WORDS_MASK", "bound")
    assert sum(count["sync_free"]["calls"] for count in entry["counts"].values()) >= 5
