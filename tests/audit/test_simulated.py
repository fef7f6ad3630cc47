"""The simulated device computes what the CPU computes, and refuses what a GPU refuses."""

from __future__ import annotations

import pytest
import torch

from syncfree.audit import Kind, Report, audit, step
from syncfree.audit._rules import named

pytestmark = pytest.mark.usefixtures("sync_audit")


def on_device(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).to("cuda")


def test_tensors_are_plain_and_say_cuda() -> None:
    x = torch.zeros(2, device="cuda")
    assert type(x) is torch.Tensor
    assert (x.is_cuda, x.device, str(x.device)) == (True, torch.device("cuda", 0), "cuda:0")
    assert torch.cuda.is_available()


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[1],
        lambda x: x[:, 1:3],
        lambda x: x.t(),
        lambda x: x.view(-1),
        lambda x: x.reshape(2, -1)[0],
        lambda x: x.unsqueeze(0).expand(2, 4, 4)[0],
        lambda x: x.diagonal(),
        lambda x: x.as_strided((2, 2), (4, 1), 3),
        lambda x: x.detach(),
        lambda x: x.chunk(2)[1],
    ],
)
def test_views_share_memory_both_ways(view: object) -> None:
    base, reference = on_device(4, 4), on_device(4, 4).cpu()
    view(base).mul_(3)  # type: ignore[operator]
    view(reference).mul_(3)  # type: ignore[operator]
    assert torch.equal(base.cpu(), reference)
    alias = view(base)  # type: ignore[operator]
    base.zero_()
    assert not alias.cpu().any()


def test_in_place_operations_keep_identity_and_bump_the_version() -> None:
    x = on_device(3)
    before, version = x.data_ptr(), x._version
    y = x.add_(1)
    assert y is x
    assert (x.data_ptr(), x._version) == (before, version + 1)


def test_out_arguments_are_filled_resized_and_returned() -> None:
    a, b = on_device(3), on_device(3)
    out = torch.empty(3, device="cuda")
    assert torch.add(a, b, out=out) is out
    assert torch.equal(out.cpu(), a.cpu() + b.cpu())
    grown = torch.empty(0, device="cuda")
    torch.add(a, b, out=grown)
    assert torch.equal(grown.cpu(), out.cpu())
    values, indices = torch.empty(0, device="cuda"), torch.empty(0, dtype=torch.int64, device="cuda")
    torch.sort(a, out=(values, indices))
    assert values.tolist() == sorted(a.tolist())


def test_gradients_equal_those_of_the_cpu() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.SiLU(), torch.nn.Linear(8, 2))
    x = torch.randn(5, 4)
    model(x).square().sum().backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    model.cuda()
    model(x.cuda()).square().sum().backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert parameter.grad.is_cuda
        assert torch.equal(parameter.grad.cpu(), gradient)


def test_autograd_refuses_a_saved_tensor_that_was_changed_in_place() -> None:
    x = on_device(3).requires_grad_()
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_autocast_of_the_host_leaves_the_device_alone() -> None:
    x, lower = torch.randn(4, 4, device="cuda"), torch.randn(2, device="cuda", dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.float16):
        assert (x @ x).dtype is torch.float32
        assert torch.stack([lower, lower]).dtype is torch.bfloat16  # on the host: an error, as half precision is asked for


def test_autocast_casts_matrix_products() -> None:
    a, b = on_device(4, 4), on_device(4, 4)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        product = a @ b
        total = product.sum()
    assert (product.dtype, product.is_cuda, total.dtype) == (torch.bfloat16, True, torch.float32)
    assert torch.equal(product.cpu(), a.cpu().bfloat16() @ b.cpu().bfloat16())


@pytest.mark.parametrize(
    "mix",
    [
        lambda gpu, cpu: gpu + cpu,
        lambda gpu, cpu: cpu * gpu,
        lambda gpu, cpu: gpu @ cpu.t(),
        lambda gpu, cpu: torch.cat([gpu, cpu]),
        lambda gpu, cpu: gpu.gather(0, torch.zeros(1, 4, dtype=torch.int64)),
        lambda gpu, cpu: torch.nn.functional.linear(gpu, cpu),
    ],
)
def test_mixed_devices_are_refused(mix: object) -> None:
    with pytest.raises(RuntimeError, match=r"(?i)same device|two devices"):
        mix(on_device(4, 4), torch.ones(4, 4))  # type: ignore[operator]


def test_a_0_dim_cpu_operand_is_taken_as_a_number() -> None:
    x = on_device(3).half()
    with audit(budget=0):
        y = x * torch.tensor(2.0)
    assert (y.dtype, y.is_cuda) == (torch.float16, True)


def test_numpy_of_a_device_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match="can't convert cuda"):
        on_device(2).numpy()


def test_scaled_dot_product_attention_runs_and_equals_the_cpu() -> None:
    q = on_device(1, 2, 8, 16)
    found = torch.nn.functional.scaled_dot_product_attention(q, q, q)
    torch.testing.assert_close(found.cpu(), torch.nn.functional.scaled_dot_product_attention(*[q.cpu()] * 3))


def test_a_device_generator_gives_reproducible_numbers() -> None:
    first, second = (
        torch.randn(4, device="cuda", generator=torch.Generator("cuda").manual_seed(5)).tolist() for _ in range(2)
    )
    assert first == second


def test_syncs_of_backward_belong_to_the_audit_of_the_thread_that_called_it() -> None:
    class Reads(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
            gradient.sum().item()
            return gradient

    x = on_device(3).requires_grad_()
    with audit() as report:
        Reads.apply(x).sum().backward()
    (sync,) = report
    assert (sync.kind, sync.where.function) == (Kind.ITEM, "backward")


def test_recorded_are_kind_operator_shape_and_line() -> None:
    x = on_device(2, 3)
    with audit() as report:
        x.cpu()
    (sync,) = report
    assert (sync.kind, sync.op, sync.shape, sync.hard) == (Kind.D2H, "aten::copy_", (2, 3), True)
    assert sync.where.file == __file__


def test_pinned_memory_is_told_from_pageable_memory() -> None:
    assert torch.zeros(2, pin_memory=True).is_pinned()
    assert torch.zeros(2).pin_memory().is_pinned()
    assert not torch.zeros(2).is_pinned()
    assert torch.zeros(4, pin_memory=True)[1:].is_pinned()
    assert not torch.zeros(2, pin_memory=True).clone().is_pinned()
    assert on_device(2).to("cpu", non_blocking=True).is_pinned()


def test_a_transposed_pinned_source_is_staged() -> None:
    pinned = torch.zeros(4, 4, pin_memory=True)
    with audit() as report:
        torch.empty(4, 4, device="cuda").copy_(pinned.t(), non_blocking=True)
    assert [(sync.kind, sync.hard) for sync in report] == [(Kind.STAGED, False)]


def test_state_dict_and_storage_round_trip(tmp_path: object) -> None:
    model = torch.nn.Linear(3, 2).cuda()
    torch.save(model.state_dict(), tmp_path / "model.pt")  # type: ignore[operator]
    loaded = torch.load(tmp_path / "model.pt", map_location="cuda")  # type: ignore[operator]
    assert all(torch.equal(loaded[name].cpu(), value.cpu()) for name, value in model.state_dict().items())


def test_auto_uses_the_device_that_is_installed_and_cuda_is_refused() -> None:
    from syncfree.audit import AuditError

    with audit() as report:
        step()
    assert report.backend == "simulated"
    with pytest.raises(AuditError, match="the simulated device is installed in this process"), audit(backend="cuda"):
        pass


def test_an_exception_of_the_audited_code_is_not_replaced_by_a_budget_error(sync_audit: Report) -> None:
    def fail() -> None:
        on_device(2).tolist()
        raise KeyError("mine")

    with pytest.raises(KeyError), audit(budget=0):
        fail()
    assert sync_audit.count >= 1


NUMBERS = {
    "%": lambda x, n: x % n,
    "fmod": torch.fmod,
    "//": lambda x, n: x // n if n else x,
    "+": lambda x, n: x + n,
    "number %": lambda x, n: n % x,
    "==": lambda x, n: x == n,
    "where": lambda x, n: torch.where(x > 0, x, n),
    "xlogy": torch.xlogy,
    "in place": lambda x, n: x.clone().float().remainder_(n),
}


@pytest.mark.parametrize("number", [5, 300, 0.3, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int32, torch.uint8])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_python_number_counts_as_precisely_as_on_the_cpu(name: str, dtype: torch.dtype, number: float) -> None:
    def outcome(x: torch.Tensor) -> tuple[object, ...]:
        try:
            found = NUMBERS[name](x, number)  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            return (str(error),)
        assert found.device == x.device
        return found.dtype, found.tolist()

    for shape in ((), (3,)):
        x = torch.full(shape, 7, dtype=dtype)
        assert outcome(x.cuda()) == outcome(x)


def test_a_float64_keeps_its_precision_under_a_number() -> None:
    assert (torch.full((1,), 1.0, dtype=torch.float64, device="cuda") % 0.3).item() == 1.0 % 0.3


def test_a_tensor_records_the_stream_that_uses_it() -> None:
    x, stream = on_device(2), torch.cuda.Stream()
    with audit(budget=0):
        x.record_stream(stream)
        x.record_stream(torch.cuda.current_stream())
    with pytest.raises((RuntimeError, NotImplementedError, TypeError)):
        torch.ones(2).record_stream(stream)


def test_an_operator_that_only_cuda_has_is_computed_in_terms_of_others() -> None:
    x, weight = on_device(3, 8).requires_grad_(), on_device(8)
    found = torch.nn.functional.rms_norm(x, (8,), weight, 1e-6)
    found.sum().backward()
    reference = x.detach().cpu().requires_grad_()
    expected = torch.nn.functional.rms_norm(reference, (8,), weight.cpu(), 1e-6)
    expected.sum().backward()
    torch.testing.assert_close(found.cpu(), expected)
    torch.testing.assert_close(x.grad.cpu(), reference.grad)


def test_an_operator_that_only_cuda_has_and_nothing_stands_in_for_is_refused_by_name() -> None:
    from syncfree.audit import AuditError

    x = on_device(4, 4).half()
    with pytest.raises(AuditError, match=r"aten::mm\.dtype has only a CUDA kernel"):
        torch.mm(x, x, out_dtype=torch.float32)


@pytest.mark.parametrize(
    ("download", "waits"),
    [
        (lambda x, pinned: x.t().to("cpu", non_blocking=True), 0),
        (lambda x, pinned: x.to("cpu", torch.float64, non_blocking=True), 0),
        (lambda x, pinned: pinned.copy_(x.t(), non_blocking=True), 0),
        (lambda x, pinned: pinned.copy_(x.double(), non_blocking=True), 0),
        (lambda x, pinned: pinned.t().copy_(x, non_blocking=True), 1),
    ],
)
def test_the_device_converts_before_a_download_and_the_host_fills_what_is_not_dense(download: object, waits: int) -> None:
    x, pinned = on_device(4, 4), torch.empty(4, 4, pin_memory=True)
    with audit() as report:
        download(x, pinned)  # type: ignore[operator]
    assert report.count == waits


@pytest.mark.parametrize(
    ("tested", "assume_unique", "reads", "stores"),
    [(5, False, 0, 0), (33, False, 2, 1), (33, True, 0, 1), (1000, False, 2, 1), (0, False, 0, 0)],
)
def test_isin_waits_where_it_sorts(tested: int, assume_unique: bool, reads: int, stores: int) -> None:
    storing_waits = named("store-into-0-dim").holds(torch.__version__)
    elements = torch.arange(4000, device="cuda")
    with audit() as report:
        found = torch.isin(elements, elements[:tested], assume_unique=assume_unique)
    assert report.count == reads + stores * storing_waits
    assert found.sum().item() == tested
