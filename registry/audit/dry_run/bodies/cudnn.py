"""Bodies of the operators that PyTorch has for cuDNN alone, so that dry runs with values have them."""

from __future__ import annotations

from typing import Any

import torch

from .._cpu_body import cpu_body

_aten = torch.ops.aten
_LSTM = 2
_OTHER_CELLS = {0: _aten.rnn_relu, 1: _aten.rnn_tanh, 3: _aten.gru}


@cpu_body("aten::cudnn_batch_norm")
def _batch_norm(x: Any, weight: Any, bias: Any, mean: Any, var: Any, training: bool, momentum: float, eps: float) -> Any:
    """Compute the output and the statistics; update the running ones. cuDNN's own reserve stays empty."""
    output, saved_mean, saved_invstd = _aten.native_batch_norm(x, weight, bias, mean, var, training, momentum, eps)
    return (output, saved_mean, saved_invstd, None) if training else (output, None, None, None)


@cpu_body("aten::cudnn_batch_norm_backward")
def _batch_norm_backward(
    x: Any, gradient: Any, weight: Any, mean: Any, var: Any, saved_mean: Any, saved_invstd: Any, eps: float, _reserve: Any
) -> Any:
    """Compute the three gradients; PyTorch takes this operator while it trains only."""
    statistics = (mean, var, saved_mean, saved_invstd)
    return _aten.native_batch_norm_backward(gradient, x, weight, *statistics, True, eps, [True, True, True])


@cpu_body("aten::cudnn_grid_sampler")
def _grid_sampler(x: Any, grid: Any) -> Any:
    """Sample bilinearly, with zeros outside and aligned corners, which is all that cuDNN does."""
    return _aten.grid_sampler_2d(x, grid, 0, 0, True)


@cpu_body("aten::cudnn_grid_sampler_backward")
def _grid_sampler_backward(x: Any, grid: Any, gradient: Any) -> Any:
    """Compute the gradients of the input and of the grid."""
    return _aten.grid_sampler_2d_backward(gradient, x, grid, 0, 0, True, [True, True])


@cpu_body("aten::cudnn_affine_grid_generator")
def _affine_grid(theta: Any, n: int, c: int, h: int, w: int) -> Any:
    """Compute the grid, with aligned corners."""
    return _aten.affine_grid_generator(theta, [n, c, h, w], True)


@cpu_body("aten::_cudnn_rnn")
def _rnn(
    x: Any, weights: Any, per_layer: int, _buffer: Any, hx: Any, cx: Any, mode: int, _hidden: int, _projected: int, layers: int,
    batch_first: bool, dropout: float, train: bool, bidirectional: bool, batch_sizes: Any, _state: Any
) -> Any:  # fmt: skip
    """Compute output and states; what only the backward pass reads stays undefined."""
    states = [hx, cx] if mode == _LSTM else hx
    operator = _aten.lstm if mode == _LSTM else _OTHER_CELLS[mode]
    network = (weights, per_layer >= 4, layers, dropout, train, bidirectional)  # 4: two weights and two biases
    if batch_sizes:
        found = operator.data(x, torch.tensor(batch_sizes), states, *network)
    else:
        found = operator.input(x, states, *network, batch_first)
    return (*found, *(None,) * (5 - len(found)))
