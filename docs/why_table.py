"""The table of `why.md`: a few rows of the recorded waits of real engines."""

from __future__ import annotations

from typing import Any

from tests.dry_run_engines import records

ROWS = {
    ("diffusers", "0.42.1", "UniPCMultistepScheduler"): "UniPC, which Wan's video pipelines use",
    ("diffusers", "0.42.1", "DDPMScheduler"): "DDPM",
    ("diffusers", "0.42.1", "wan"): "a whole Wan pipeline, tiny",
    ("sglang", "0.5.23", "logprobs of named tokens, read on the host"): "logprobs of named tokens",
    ("vllm", "0.21.0", "bad words"): "bad words",
    ("vllm", "0.32.0", "LoRA, the mapping changes"): "LoRA, while the adapters of a batch change",
}
"""Framework, release and case of the records, and how the page calls it."""
HEAD = """| what runs | waits: upstream | ours | steps | launches: upstream | ours | release | hook |
|---|---:|---:|---:|---:|---:|---|---|
"""


def table() -> str:
    """Return a row for each of `ROWS`, from the first engine that has recorded it. Raises `KeyError` for one without a record."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for engine in records.load():
        for case in engine["cases"]:
            if case["hook"] is not None:
                found.setdefault((engine["framework"], engine["release"], case["case"]), case)
    return HEAD + "".join(_row(key, text, found[key]) for key, text in ROWS.items())


def _row(key: tuple[str, str, str], text: str, case: dict[str, Any]) -> str:
    waits = [records.waits_at(case[of]["sites"], case["hook_sites"]) for of in ("off", "on")]
    launches = [case[of]["launches_per_step"] for of in ("off", "on")]
    cells = [text, *waits, case["steps"], *launches, f"{key[0]} {key[1]}", f"[`{case['hook']}`](hooks.md#{case['hook']})"]
    return f"| {' | '.join(map(str, cells))} |\n"
