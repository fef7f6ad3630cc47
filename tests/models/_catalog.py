"""Which tiny models there are and in which environment each is made."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.environments import build, cache_root, content_key, load, made_once, python_of

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@dataclass(frozen=True, slots=True)
class Maker:
    """A module of this folder that is run as `python -m tests.models.<module> NAME FOLDER` in `environment`."""

    module: str
    environment: str


_MAKERS = {
    "llama": Maker("language", "vllm-0.32.0"),
    "qwen3-moe": Maker("language", "vllm-0.32.0"),
    "mamba": Maker("language", "vllm-0.32.0"),
    "mamba2": Maker("language", "vllm-0.32.0"),
    "olmo-hybrid": Maker("hybrid", "vllm-0.32.0"),
    "bert-cross-encoder": Maker("cross_encoder", "vllm-0.32.0"),
    "wan": Maker("wan", "sglang-0.5.23"),
    "omni-wan": Maker("wan", "vllm-omni"),
    "omni-helios": Maker("helios", "vllm-omni"),
}
NAMES = tuple(_MAKERS)


def tiny_model(name: str) -> Path:
    """Return the folder of the model `name`, made first if it is not in the cache. Raises `ValueError` for another name."""
    if name not in _MAKERS:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"no tiny model named {name!r}; there are {', '.join(NAMES)}{hint}")
    maker = _MAKERS[name]
    environment = load(maker.environment)

    def make(target: Path) -> None:
        command: list[str | Path] = [python_of(build(maker.environment)), "-m", f"tests.models.{maker.module}", name, target]
        subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"HF_HUB_OFFLINE": "1"}, stdout=sys.stderr)

    key = content_key((HERE / f"{maker.module}.py", HERE / "_byte_tokenizer.py", environment.lock))
    return made_once(cache_root() / "models" / f"{name}-{key}", make)
