"""One rank of a test: collectives of NCCL on the dry-run device, and the same ones of Gloo on the host.

``RANK``, ``WORLD_SIZE``, ``MASTER_ADDR`` and ``MASTER_PORT`` are torch's. Prints a JSON object: by case, whether NCCL's result
equals Gloo's, and the waits of the host in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from syncfree.audit import audit, dry_run

dry_run.install(values=True)

import torch  # noqa: E402  (the device must come first)
import torch.distributed as dist  # noqa: E402

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.int32, torch.uint8)
REDUCTIONS = {"sum": dist.ReduceOp.SUM, "max": dist.ReduceOp.MAX, "min": dist.ReduceOp.MIN, "product": dist.ReduceOp.PRODUCT}
LARGE = 300_000
"""Elements that take several pieces through the stub's slots."""


def data(count: int, dtype: torch.dtype, device: str) -> torch.Tensor:
    """Small integers, whose sums and products are exact in every dtype; each rank's own."""
    values = (torch.arange(count) * (dist.get_rank() + 1)) % 3
    return values.to(dtype).to(device)


def all_reduced(device: str, dtype: torch.dtype = torch.float32, op: Any = dist.ReduceOp.SUM, count: int = 7) -> torch.Tensor:
    x = data(count, dtype, device)
    dist.all_reduce(x, op)
    return x


def all_gathered(device: str) -> torch.Tensor:
    x = data(5, torch.bfloat16, device)
    out = torch.empty(5 * dist.get_world_size(), dtype=x.dtype, device=device)
    dist.all_gather_into_tensor(out, x)
    return out


def gathered_in_a_list(device: str) -> torch.Tensor:
    x = data(5, torch.float32, device)
    out = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(out, x)
    return torch.cat(out)


def reduce_scattered(device: str) -> torch.Tensor:
    x = data(3 * dist.get_world_size(), torch.float32, device)
    out = torch.empty(3, device=device)
    dist.reduce_scatter_tensor(out, x)
    return out


def broadcast(device: str) -> torch.Tensor:
    x = data(6, torch.float32, device)
    dist.broadcast(x, dist.get_world_size() - 1)
    return x


def reduced_to_one(device: str) -> torch.Tensor:
    x = data(6, torch.float32, device)
    dist.reduce(x, 1)
    return x if dist.get_rank() == 1 else x.new_zeros(())


def exchanged(device: str) -> torch.Tensor:
    x = data(4 * dist.get_world_size(), torch.float32, device)
    out = torch.empty_like(x)
    dist.all_to_all_single(out, x)
    return out


def exchanged_in_uneven_parts(device: str) -> torch.Tensor:
    rank, size = dist.get_rank(), dist.get_world_size()
    x = data(sum(range(size)), torch.float32, device)
    out = torch.empty(rank * size, device=device)
    dist.all_to_all_single(out, x, output_split_sizes=[rank] * size, input_split_sizes=list(range(size)))
    return out


def around_the_ring(device: str) -> torch.Tensor:
    rank, size = dist.get_rank(), dist.get_world_size()
    x = data(LARGE, torch.float32, device)
    out = torch.empty_like(x)
    sending = dist.P2POp(dist.isend, x, (rank + 1) % size)
    for work in dist.batch_isend_irecv([sending, dist.P2POp(dist.irecv, out, (rank - 1) % size)]):
        work.wait()
    return out


def sent_and_received(device: str) -> torch.Tensor:
    x = data(4, torch.float32, device)
    if dist.get_rank() == 0:
        dist.send(x, 1)
    elif dist.get_rank() == 1:
        dist.recv(x, 0)
    return x


def in_a_group_of_two(device: str) -> torch.Tensor:
    groups = [dist.new_group([rank, rank + 1]) for rank in range(0, dist.get_world_size(), 2)]
    x = data(4, torch.float32, device)
    dist.all_reduce(x, group=groups[dist.get_rank() // 2])
    return x


def functional(device: str) -> torch.Tensor:
    from torch.distributed import _functional_collectives as functions

    x = data(4, torch.float32, device) * 2
    summed: torch.Tensor = functions.all_reduce(x, "sum", dist.group.WORLD)
    return summed + 1


def cases() -> Iterator[tuple[str, Callable[[str], torch.Tensor]]]:
    for dtype in DTYPES:
        for name, op in REDUCTIONS.items():
            yield f"all_reduce {name} {dtype}", lambda device, dtype=dtype, op=op: all_reduced(device, dtype, op)  # type: ignore[misc]
    yield "all_reduce of many", lambda device: all_reduced(device, count=LARGE)
    runs = (all_gathered, gathered_in_a_list, reduce_scattered, broadcast, reduced_to_one, exchanged, exchanged_in_uneven_parts)
    for run in (*runs, around_the_ring, sent_and_received, in_a_group_of_two, functional):
        yield run.__name__, run


def main() -> None:
    dist.init_process_group("cpu:gloo,cuda:nccl")
    torch.cuda.set_device(dist.get_rank())
    found: dict[str, Any] = {}
    with dry_run.Values() as values:
        for name, run in cases():
            on_host = run("cpu")
            with audit() as report:
                on_device = run("cuda")
            sites = [f"{sync.op} {sync.where}" for sync in report.hard if sync.op != "aten::_to_copy"]  # the test's own uploads
            found[name] = {"equal": torch.equal(on_device.cpu(), on_host), "waits": sites}
        mean = all_reduced("cuda", op=dist.ReduceOp.AVG)
        found["all_reduce average"] = {"equal": torch.equal(mean.cpu(), all_reduced("cpu") / dist.get_world_size()), "waits": []}
    found["values that are missing"] = {"equal": not values.missing, "waits": sorted(values.missing)}
    dist.destroy_process_group()
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
