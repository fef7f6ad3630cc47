"""The pool of ranks that tests call functions on."""

from __future__ import annotations

import os
from multiprocessing import Pipe

import pytest

from .support import gloo_ranks
from .support.gloo_ranks import GlooRanks


def test_a_pool_whose_rank_did_not_answer_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its late answer would be read as that of the next call."""
    monkeypatch.setattr(gloo_ranks, "TIMEOUT_S", 0)
    ours, ranks = Pipe()
    pool = GlooRanks([ours])
    with pytest.raises(RuntimeError, match=r"^rank 0 did not answer getpid within 0 s$"):
        pool.call(os.getpid)
    ranks.recv_bytes()
    ranks.send_bytes(b"late")
    with pytest.raises(RuntimeError, match="cannot be used: rank 0 did not answer getpid"):
        pool.call(os.getpid)
    assert not ranks.poll()
