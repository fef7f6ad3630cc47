"""The effect of vLLM's plug-in loading on us: nothing imported early, nothing bound that needs no binding, errors seen."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from . import run

GATHER = "Sampler.gather_specific_token_logprobs"


def activated(version: str = run.NEWEST, **variables: str) -> dict[str, Any]:
    command = [run.python(version), "-W", "ignore", run.PROGRAMS / "activation.py"]
    finished = subprocess.run(
        command, env=run.environment(**variables), capture_output=True, text=True, timeout=300, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_by_default_upstreams_fix_is_reported_and_left_alone() -> None:
    answer = activated()
    assert answer["loaded"]
    assert answer["imported by us"] == []
    assert answer["replaced"] == []
    states = {entry["hook"]: (entry["verdict"], entry["state"]) for entry in answer["plan"]["bindings"]}
    assert states["sampler_logprob_gather"] == ("upstreamed", "not bound")
    assert states["dp_all_reduce"] == ("upstreamed", "not bound")


def test_an_explicit_choice_is_bound_when_the_target_is_imported_and_restored_by_identity() -> None:
    ours = {"SYNCFREE_SAMPLER_LOGPROB_GATHER": "sync_free", "SYNCFREE_DP_ALL_REDUCE": "sync_free"}
    answer = activated(**ours, ACME_KEY="1", VLLM_RAY_EXTRA_ENV_VAR_PREFIXES_TO_COPY="ACME_, OTHER_")
    assert answer["imported by us"] == []
    assert answer["replaced"] == [GATHER, "_run_ar"]
    assert answer["left"] == []
    assert answer["after restore"] == []
    set_by_us = "SYNCFREE_JOB"  # so that the workers are of one job
    assert answer["copied by Ray"] == sorted(["ACME_KEY", set_by_us, *ours]), "vLLM's own function says what Ray's workers get"


def test_vllm_plugins_that_leaves_us_out_leaves_vllm_untouched() -> None:
    answer = activated(VLLM_PLUGINS="another", SYNCFREE_SAMPLER_LOGPROB_GATHER="sync_free")
    assert answer == {"imported by us": [], "loaded": False, "replaced": []}


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SYNCFREE_SAMPLER_LOGPROB_GATHER", "sync_fre", "did you mean 'sync_free'"),
        ("SYNCFREE_SAMPLER_LOGPROB_GATHERS", "sync_free", "did you mean 'SYNCFREE_SAMPLER_LOGPROB_GATHER'"),
    ],
)
def test_a_wrong_variable_stops_the_server_with_an_error_in_its_log(variable: str, value: str, message: str) -> None:
    python = run.python()
    command = [python, python.with_name("vllm"), "serve", run.model("llama"), "--dtype", "float32"]
    finished = subprocess.run(
        command, env=run.environment(**{variable: value}), capture_output=True, text=True, timeout=300, check=False
    )
    assert finished.returncode != 0
    lines = [line for line in (finished.stdout + finished.stderr).splitlines() if "ERROR" in line and message in line]
    assert lines, finished.stderr[-3000:]
