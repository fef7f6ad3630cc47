"""Run `vllm_ranks` on two data-parallel ranks, which agree on every step. Usage: vllm_data_parallel.py ENGINE MODEL CASE=[HOOK]..."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

RANKS = 2


def main(*arguments: str) -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        results = [Path(folder, str(rank)) for rank in range(RANKS)]
        started = []
        for rank, result in enumerate(results):
            variables = {
                "RESULT": str(result),
                "VLLM_DP_RANK": str(rank),
                "VLLM_DP_RANK_LOCAL": str(rank),
                "VLLM_DP_SIZE": str(RANKS),
                "VLLM_DP_MASTER_IP": "127.0.0.1",
                "VLLM_DP_MASTER_PORT": port,
            }
            program = Path(__file__).with_name("vllm_ranks.py")
            started.append(subprocess.Popen([sys.executable, program, "DP", *arguments], env={**os.environ, **variables}))
        try:
            ended = [process.wait() for process in started]
        finally:
            for process in started:
                process.kill()
        if any(ended):
            return max(ended)
        told = [json.loads(result.read_text()) for result in results]
    cases = {case: counted for one in told for case, counted in one["cases"].items()}
    Path(os.environ["RESULT"]).write_text(json.dumps({"about": told[0]["about"], "cases": cases}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
