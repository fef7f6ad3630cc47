"""Generate a tiny video with the SGLang diffusion engine on two Ulysses ranks. Usage: sglang_engine.py MODEL PORT HOOK ...

`sglang_probe` must be on PYTHONPATH: it counts in the ranks.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

RANKS = 2


def main(model: str, port: str, *hooks: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"PROBE_BEGUN": str(time.time()), "PROBE_FOLDER": folder, "PROBE_HOOKS": ",".join(hooks)}
        from tests.engines.sglang import generate

        made = Path(folder, "made.json")
        sys.argv = [generate.__file__, model, str(made), "--ranks", str(RANKS), "--master-port", port]
        generate.main()
        ranks = [json.loads(Path(folder, f"request-0-{rank}.json").read_text()) for rank in range(RANKS)]
        generated = json.loads(made.read_text())
    cases = {f"rank {rank}": {**told, "generated": generated} for rank, told in enumerate(ranks)}
    Path(os.environ["RESULT"]).write_text(json.dumps({"about": ranks[0]["about"], "cases": cases}))


if __name__ == "__main__":
    main(*sys.argv[1:])
