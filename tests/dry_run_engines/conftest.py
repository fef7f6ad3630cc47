"""Options of these tests, and the tokens that several of them expect."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.environments import build, python_of
from tests.models import tiny_model

from .running import PROGRAMS, environment


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what writes the records that docs/waits.md is made of."""
    parser.addoption("--record", action="store_true", help="keep what was counted for docs/waits.md")


@pytest.fixture(scope="session")
def on_the_cpu(tmp_path_factory: pytest.TempPathFactory) -> list[list[int]]:
    """The greedy tokens of four requests to the tiny Llama, by vLLM built for the CPU, in float32."""
    result = tmp_path_factory.mktemp("cpu") / "tokens.json"
    variables = environment(VLLM_ENABLE_V1_MULTIPROCESSING="0", SYNCFREE="off")
    command = [python_of(build("vllm-0.32.0")), PROGRAMS / "vllm_on_cpu.py", tiny_model("llama"), result]
    subprocess.run(command, env=variables, check=True, timeout=300)
    return list(json.loads(result.read_text()))
