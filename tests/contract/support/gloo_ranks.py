"""A pool of real processes joined by Gloo, kept alive over many calls.

This module is also the program of each process. The functions that a pool calls live in importable modules,
not in tests.
"""

from __future__ import annotations

import os
import pickle
import secrets
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[3]
MODULE = "tests.contract.support.gloo_ranks"
TIMEOUT_S = 480
"""How long a rank may take for an answer: on an idle machine a compiled caller takes 10 s on four ranks, under load ten times as long."""

T = TypeVar("T")


class GlooRanks:
    """Processes with ranks 0 to ``size - 1`` of one default process group."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections
        self._late = ""

    @property
    def size(self) -> int:
        return len(self._connections)

    def call(self, function: Callable[..., T], *arguments: Any) -> list[T]:
        """Call a module-level function with the same arguments on every rank; return the results by rank.

        Raises:
            RuntimeError: it raised on some rank, or a rank did not answer; the pool cannot be used
                afterwards.
        """
        answers = self.survivors(function, *arguments)
        ended = [rank for rank in range(self.size) if rank not in answers]
        if ended:
            raise RuntimeError(f"rank {ended[0]} ended in {function.__name__}")
        return list(answers.values())

    def survivors(self, function: Callable[..., T], *arguments: Any) -> dict[int, T]:
        """As `call`, but ranks may end meanwhile: the results of the others."""
        if self._late:
            raise RuntimeError(f"the pool cannot be used: {self._late}, and the next call would read the late answer as its own")
        for connection in self._connections:
            _send(connection, (function, arguments))
        answers = {}
        for rank, connection in enumerate(self._connections):
            if not connection.poll(TIMEOUT_S):
                self._late = f"rank {rank} did not answer {function.__name__} within {TIMEOUT_S} s"
                raise RuntimeError(self._late)
            try:
                result, error = _receive(connection)
            except (EOFError, ConnectionResetError):
                continue
            if error:
                raise RuntimeError(f"rank {rank}, {function.__name__}:\n{error}")
            answers[rank] = result
        return answers


@contextmanager
def gloo_ranks(size: int) -> Iterator[GlooRanks]:
    """Start `size` ranks; they end with the block."""
    key = secrets.token_bytes(16)
    with (
        tempfile.TemporaryDirectory() as folder,
        Listener(f"{folder}/socket", "AF_UNIX", authkey=key) as listener,
    ):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "RANK_POOL_KEY": key.hex()}
        processes = [
            subprocess.Popen([sys.executable, "-m", MODULE, folder, str(rank), str(size)], env=environment, cwd=ROOT)
            for rank in range(size)
        ]
        by_rank: dict[int, Connection] = {}
        try:
            for _ in processes:
                connection = listener.accept()
                by_rank[_receive(connection)] = connection
            yield GlooRanks([by_rank[rank] for rank in range(size)])
        finally:
            for connection in by_rank.values():
                connection.close()
            for process in processes:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:  # blocked in a collective that its peer never entered
                    process.kill()
                    process.wait()


def _send(connection: Connection, message: object) -> None:
    # Plain pickle: torch teaches multiprocessing's own to share the memory of tensors, which outlive no
    # process here.
    connection.send_bytes(pickle.dumps(message))


def _receive(connection: Connection) -> Any:
    return pickle.loads(connection.recv_bytes())


def _serve(folder: str, rank: int, size: int) -> None:
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size)
    with Client(f"{folder}/socket", "AF_UNIX", authkey=bytes.fromhex(os.environ["RANK_POOL_KEY"])) as connection:
        _send(connection, rank)
        while True:
            try:
                function, arguments = _receive(connection)
            except (EOFError, ConnectionResetError):  # the pool is done
                break
            try:
                _send(connection, (function(*arguments), None))
            except Exception:  # noqa: BLE001 it is told to the caller, with its traceback
                _send(connection, (None, traceback.format_exc()))
    dist.destroy_process_group()


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
