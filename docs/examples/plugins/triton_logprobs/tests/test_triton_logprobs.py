"""The implementation keeps its contract; ``pytest --syncfree-check triton_logprobs`` has more checks. Without a GPU: TRITON_INTERPRET=1."""

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import torch
from triton_logprobs import sampler_logprob_gather as module

from syncfree.hooks import HOOKS
from syncfree.hooks.sampler_logprob_gather import (
    logprobs_of_logits,
    logprobs_of_logprobs,
    ranks_of_logits,
    ranks_of_logprobs,
)
from syncfree.testing import check_implementation

REFERENCE = HOOKS["sampler_logprob_gather"].reference
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ARITHMETIC = {"logits": (logprobs_of_logits, ranks_of_logits), "logprobs": (logprobs_of_logprobs, ranks_of_logprobs)}


def call(batch, vocabulary, token_ids, arithmetic, dtype=torch.float32):
    generator = torch.Generator().manual_seed(batch)
    scores = torch.randn(batch, vocabulary, generator=generator).to(DEVICE, dtype)
    sampled = torch.randint(vocabulary, (batch, 3), generator=generator).to(DEVICE)[:, 1]  # strided
    return scores, token_ids, sampled, *ARITHMETIC[arithmetic]


def test_the_plugin_is_installed():
    assert "triton_logprobs" in {point.name for point in entry_points(group="syncfree")}


def test_it_keeps_the_contract():
    check_implementation("sampler_logprob_gather", "triton_logprobs", audited=False)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("most", [0, 1, module.BLOCK - 1, module.BLOCK, 3 * module.BLOCK + 5])
def test_equal_bit_for_bit_where_rows_fill_blocks_in_part_and_whole(arithmetic, dtype, most):
    token_ids = {0: list(range(most)), 2: [7, 7][:most], 3: []}
    given = call(5, 1000, token_ids, arithmetic, dtype)
    for found, expected in zip(module.sampler_logprob_gather(*given), REFERENCE(*given), strict=True):
        assert (found.dtype, found.shape, found.device) == (expected.dtype, expected.shape, expected.device)
        assert torch.equal(found, expected)


def test_a_batch_without_rows():
    found = module.sampler_logprob_gather(*call(0, 8, {}, "logprobs"))
    assert [tuple(result.shape) for result in found] == [(0, 1), (0, 1), (0,)]


@pytest.mark.parametrize("row", [-1, 3])
def test_a_row_outside_of_the_batch_is_declined(row):
    assert module.sampler_logprob_gather(*call(3, 8, {row: [1]}, "logprobs")) is NotImplemented


def test_without_the_interpreter_tensors_of_a_cpu_are_declined():
    program = (
        "import torch; from triton_logprobs.sampler_logprob_gather import sampler_logprob_gather as gather; "
        "print(gather(torch.zeros(1, 4), {}, torch.zeros(1, dtype=torch.int64), None, None))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "NotImplemented\n", done.stderr
