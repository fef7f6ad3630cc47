"""Each plugin of `wrong` fails one check, for the reason that its name gives, and no other check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kit import wrong
from tests.kit.running import checked

WRONG = {
    "signature": ("postprocess", "signature", r"postprocess\(decoded: .*scale: .*\) is not the contract postprocess\(decoded\)"),
    "mutates_inputs": ("pooled_rows", "unchanged", r"an argument, by name,\['rows'\] has"),
    "waits_once_in_100_calls": ("postprocess", "waits", r"more often than the declared 0 times"),
    "one_ulp_off": ("postprocess", "exact", r"elements of the result differ \(bit for bit\)"),
    "wrong_dtype": ("postprocess", "types", r"\['dtype'\] is 'torch\.(b?float16)', not 'torch\.float32'"),
    "wrong_device": ("schedule_upload", "device", r"\['device'\] is 'cpu', not 'cuda'"),
    "hangs": ("postprocess", "returns", r"a call did not return within 3 s"),
    "raises_on_empty_input": ("pooled_rows", "raises", r"raised IndexError: list index out of range, where the reference does not"),
    "returns_a_view": ("pooled_rows", "aliasing", r"the result shares memory with pooled"),
    "declines_after_mutating": ("postprocess", "declines", r"declined the call after it changed an argument"),
    "leaks": ("postprocess", "memory", r"it keeps \d+ bytes per call, over \d+ calls; objects that are kept are made at .*leaks\.py"),
    "not_thread_safe": ("pooled_rows", "threads", r"called by 4 threads at once, "),
    "breaks_a_compiled_caller": ("rotary_embedding", "compiled", r"\d graph breaks, not 0 as around the reference"),
    "reads_pinned_memory_early": ("pooled_rows", "poison", r"only where copies take their time"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_plugin_fails_the_one_check_that_is_about_it(name: str, tmp_path: Path) -> None:
    hook, check, problem = WRONG[name]
    limit = ["--syncfree-check-limit", "3"] if name == "hangs" else []
    done = checked(f"tests.kit.wrong.{name}:{hook}", tmp_path, "--syncfree-check-examples", "30", *limit)
    assert done.status == 1, done.output
    assert list(done.failed) == [check], done.output
    assert re.search(problem, done.failed[check]), done.failed[check]


def test_every_wrong_plugin_is_tested() -> None:
    files = {path.stem for path in Path(wrong.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == set(WRONG)
