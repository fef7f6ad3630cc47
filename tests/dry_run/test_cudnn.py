"""PyTorch's use of cuDNN: it finds an algorithm in a dry run, and has its values."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import torch
from torch import nn

from syncfree.audit import audit
from syncfree.audit.dry_run import Values

NETWORKS = {
    "LSTM": nn.LSTM(4, 5, num_layers=2, bidirectional=True),
    "LSTM with a projection": nn.LSTM(4, 5, proj_size=2, batch_first=True),
    "LSTM without biases": nn.LSTM(4, 5, bias=False),
    "GRU": nn.GRU(4, 5, num_layers=2),
    "RNN": nn.RNN(4, 5, nonlinearity="relu"),
}
MODULES = {
    "conv1d": (nn.Conv1d(3, 6, 3), (2, 3, 9)),
    "conv2d": (nn.Conv2d(3, 6, 3, padding=1), (2, 3, 8, 8)),
    "conv2d in groups": (nn.Conv2d(4, 8, 3, groups=2), (2, 4, 8, 8)),
    "conv3d": (nn.Conv3d(3, 6, 3), (1, 3, 4, 8, 8)),
    "transposed conv": (nn.ConvTranspose2d(3, 6, 3), (2, 3, 8, 8)),
    "batch norm": (nn.BatchNorm2d(3), (4, 3, 8, 8)),
}


def both(module: nn.Module, shape: tuple[int, ...]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Output and gradients of a module on the host, and those on the device."""
    x = torch.randn(shape)
    ours = copy.deepcopy(module).to("cuda")

    def run(network: nn.Module, at: torch.Tensor) -> list[torch.Tensor]:
        at.requires_grad_()
        output = network(at)
        output.square().sum().backward()
        gradients = [parameter.grad for parameter in network.parameters()]
        return [output, at.grad, *gradients, *network.buffers()]  # type: ignore[list-item]

    expected = run(copy.deepcopy(module), x.clone())
    return list(zip(expected, (value.cpu() for value in run(ours, x.to("cuda"))), strict=True))


@pytest.mark.parametrize("name", MODULES)
def test_outputs_and_gradients_are_those_of_the_host(name: str) -> None:
    with Values() as values:
        pairs = both(*MODULES[name])
    assert not values.missing
    for expected, found in pairs:
        torch.testing.assert_close(found, expected)


@pytest.mark.filterwarnings("ignore:LSTM with projections")  # the host's, which has no fast kernel for them
@pytest.mark.parametrize("name", NETWORKS)
def test_recurrent_networks_have_their_values(name: str) -> None:
    network, x = NETWORKS[name], torch.randn(3, 2, 4)
    with Values() as values, torch.no_grad():
        output, states = copy.deepcopy(network).to("cuda")(x.to("cuda"))
    expected, expected_states = network(x)
    torch.testing.assert_close(output.cpu(), expected)
    for found, wanted in zip(flat(states), flat(expected_states), strict=True):
        torch.testing.assert_close(found.cpu(), wanted)
    assert not values.missing


def flat(states: Any) -> list[torch.Tensor]:
    return [states] if isinstance(states, torch.Tensor) else list(states)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_weights_of_a_recurrent_network_lie_in_one_chunk_without_overlap(name: str) -> None:
    network = copy.deepcopy(NETWORKS[name]).to("cuda")
    weights = sorted((weight.data_ptr(), weight.numel() * 4) for weight in network.parameters())
    for (start, size), (following, _) in itertools.pairwise(weights):
        assert start + size == following


@pytest.mark.parametrize("tries_algorithms", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_convolution_needs_no_values_and_does_not_wait(dtype: torch.dtype, tries_algorithms: bool) -> None:
    module, x = nn.Conv2d(3, 6, 3).to("cuda", dtype), torch.ones(2, 3, 8, 8, device="cuda", dtype=dtype)
    with torch.backends.cudnn.flags(benchmark=tries_algorithms):
        module(x)  # cuDNN's handle
        with audit(budget=0, launches=True) as report:
            output = module(x)
    assert output.shape == (2, 6, 6, 6)
    assert sum(report.activities.values()) > 0


def test_torch_accepts_the_release_of_cudnn() -> None:
    assert torch.backends.cudnn.is_available()
    assert torch.backends.cudnn.version() // 10000 == 9
