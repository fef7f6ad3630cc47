"""``syncfree lint`` finds what the hooks mend, in the code of released frameworks, and nothing in what upstream mended."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from syncfree._own_entry_points import ADAPTERS
from syncfree.adapting import Adapter
from syncfree.lint import Finding, Settings, check_file
from tests.environments import unpacked, vllm_hybrid

DIFFUSERS, VLLM = "0.42.1", "0.20.2"
INDEX = "whether the timestep that indexes a table is a tensor is decided by the caller"
CALLED = "the waits are in functions that it calls"
SILENT = {
    ("diffusers", "host_timestep", "step"): INDEX,
    ("diffusers", "host_timestep", "_get_prev_sample"): INDEX,
    ("diffusers", "host_timestep", "get_scalings_for_boundary_condition_discrete"): INDEX,
    ("diffusers", "host_timestep", "stochastic_adams_bashforth_update"): INDEX,
    ("diffusers", "host_timestep", "stochastic_adams_moulton_update"): INDEX,
    ("diffusers", "schedule_upload", "ScoreSdeVeScheduler.set_timesteps"): "made on the device; the method is bound to know the schedule",
    ("diffusers", "schedule_upload", "ScoreSdeVeScheduler.set_sigmas"): "reads each element of a tensor in a comprehension",
    ("diffusers", "schedule_upload", "FlowMapEulerDiscreteScheduler.set_timesteps"): CALLED,
    ("vllm", "lora_mapping", "update_metadata"): CALLED,
    ("vllm", "bad_words_mask", "apply_bad_words"): CALLED,
    ("vllm", "bad_words_mask", "apply_bad_words_with_drafts"): CALLED,
    ("vllm", "dp_all_reduce", "_run_ar"): "whether a store goes into a tensor without dimensions is not in the source",
    ("vllm", "dp_all_reduce", "_synchronize_dp_ranks"): CALLED,
}
"""Functions in which nothing is found, by framework, hook and name, and why."""


def adapter_of(framework: str) -> Adapter:
    module, _, name = ADAPTERS[framework].partition(":")
    adapter = getattr(import_module(module), name)
    assert isinstance(adapter, Adapter)
    return adapter


def stalling(framework: str, release: str) -> list[tuple[str, str]]:
    """The hook and target of each function of a release in which an adapter says that the host waits."""
    return [
        (binding.hook, str(target))
        for binding in adapter_of(framework).bindings
        for form in binding.forms
        if form.status == "stalls" and SpecifierSet(form.releases).contains(release)
        for target in binding.targets
    ]


def root(framework: str) -> Path:
    return unpacked("diffusers", DIFFUSERS) if framework == "diffusers" else vllm_hybrid(VLLM)


@cache
def found(framework: str, module: str) -> list[Finding]:
    file = root(framework).joinpath(*module.split(".")).with_suffix(".py")
    return check_file(file, Settings(hot=(f"{module}:*",)))


CASES = [("diffusers", *case) for case in stalling("diffusers", DIFFUSERS)] + [("vllm", *case) for case in stalling("vllm", VLLM)]


@pytest.mark.parametrize(("framework", "hook", "target"), CASES)
def test_a_wait_is_found_in_each_function_that_a_hook_mends_but_for_those_listed(framework: str, hook: str, target: str) -> None:
    assert codes_in(framework, target) or names(framework, hook, target) & set(SILENT)


@pytest.mark.parametrize("listed", SILENT, ids="-".join)
def test_of_each_that_is_listed_there_is_a_function_in_which_nothing_is_found(listed: tuple[str, str, str]) -> None:
    assert [case for case in CASES if listed in names(*case) and not codes_in(case[0], case[2])]


def test_nothing_is_found_in_diffusers_schedulers_outside_of_hot_functions() -> None:
    files = list((unpacked("diffusers", DIFFUSERS) / "diffusers" / "schedulers").glob("*.py"))
    assert len(files) > 50
    assert [one for file in files for one in check_file(file)] == []


def test_the_pageable_copies_of_vllms_logits_processors_are_found_without_a_mark() -> None:
    file = vllm_hybrid(VLLM) / "vllm" / "v1" / "sample" / "logits_processor" / "builtin.py"
    found_there = check_file(file)
    assert [one.code for one in found_there] == ["SF101", "SF101"]
    assert all("torch.from_numpy" in one.source for one in found_there)


def codes_in(framework: str, target: str) -> list[str]:
    """The codes found in a function and those inside of it."""
    module, _, function = target.partition(":")
    return [one.code for one in found(framework, module) if f"{one.function}.".startswith(f"{function}.")]


def names(framework: str, hook: str, target: str) -> set[tuple[str, str, str]]:
    """The keys under which a function may be listed: its name, with its class and without."""
    function = target.partition(":")[2]
    return {(framework, hook, function), (framework, hook, function.rpartition(".")[2])}
