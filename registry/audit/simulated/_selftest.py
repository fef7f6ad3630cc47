"""Self-test of the installed device: device guard, hooks, views and autograd."""

from __future__ import annotations

import torch

from .._errors import AuditError


def run() -> None:
    """Compute on the new device.

    Raises:
        AuditError: a result is wrong or an operation failed; the process must not continue.
    """
    try:
        problem = _first_problem()
    except Exception as error:
        if "device_ready_queues_" in str(error):  # autograd's engine counted the devices at the first backward
            raise AuditError(
                "autograd has already run in this process, and does not support a CUDA device that is added later: install "
                "the simulated CUDA device before the first backward()"
            ) from error
        raise AuditError(
            f"the simulated CUDA device failed its self-test on torch {torch.__version__}: {error!r}"
        ) from error
    if problem:
        raise AuditError(f"the simulated CUDA device failed its self-test on torch {torch.__version__}: {problem}")


def _first_problem() -> str:
    accelerator = torch.accelerator.current_accelerator()
    if accelerator is None or accelerator.type != "cuda":
        return f"torch's accelerator is {accelerator}, not cuda"
    x = torch.arange(4.0, device="cuda").requires_grad_()
    if type(x) is not torch.Tensor or not x.is_cuda or x.to("cuda") is not x:
        return "a factory did not make a CUDA tensor"
    (x[1:] ** 2).sum().backward()
    if x.grad is None or not x.grad.is_cuda or x.grad.tolist() != [0.0, 2.0, 4.0, 6.0]:
        return f"the gradient of sum(x[1:] ** 2) is {x.grad}"
    view = x.detach()[2:]
    view.fill_(7)
    if x.tolist() != [0.0, 1.0, 7.0, 7.0]:
        return "a view does not share its base's memory"
    if torch.tensor([2, 1], device="cuda").sort().values.tolist() != [1, 2]:
        return "sort gave a wrong order"
    query = torch.ones(1, 1, 2, 4, device="cuda")
    if torch.nn.functional.scaled_dot_product_attention(query, query, query).tolist() != query.tolist():
        return "attention over ones is not one"
    if not torch.zeros(2, pin_memory=True).is_pinned() or torch.zeros(2).is_pinned():
        return "pinned memory is not distinguished from pageable memory"
    return ""
