"""Demo: a real vLLM server, toggled under load, its choices compared, and the report.

    python -m docs.demos.ab_server [--html FILE] [--json FILE] [--budget SECONDS]

Starts `vllm serve` (0.32.0) with a tiny random-weight Llama on this CPU, with this tree's wheel in an environment of its own;
sends completions that ask for the logprobs of named tokens; toggles the hook in all processes of the server meanwhile; compares
upstream's gather with ours through the control sockets; writes the page of the comparison. All with the commands that a user
types, which are printed.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from syncfree.control._client import find
from tests.engines.vllm import run
from tests.engines.vllm.server import Server, command, served

from ._children import failures_in_words, sigterm_as_exit

HOOK = "sampler_logprob_gather"
ROOT = Path(__file__).parents[2]
LOAD = Path("tests/engines/vllm/programs/completions.py")


class Demo:
    """The commands of the demo, run against one server."""

    def __init__(self, server: Server, console: Console) -> None:
        self._variables = {"SYNCFREE_CONTROL": str(server.run_directory)}
        self._console = console
        self.jobs = sorted({entry.job for entry in find(self._variables).entries})

    def types(self, *words: str, accepted: tuple[int, ...] = (0,)) -> str:
        """Print a command of ours, run it, print what it says, and return that. Ends the demo if it fails."""
        self._console.print(f"\n$ syncfree {shlex.join(words)}", style="bold", markup=False, highlight=False, soft_wrap=True)
        done = command(*words, timeout=3600, **self._variables)
        self._console.print(done.stdout.rstrip(), markup=False, highlight=False, soft_wrap=True)
        if done.returncode not in accepted:
            sys.exit(f"syncfree {words[0]} ended with status {done.returncode}: {done.stderr.strip()}")
        return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--html", type=Path, default=ROOT / "build" / "comparison.html", help="where the page goes")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "comparison.json", help="where the figures go")
    parser.add_argument("--budget", type=float, default=150, help="seconds for the comparison")
    options = parser.parse_args()
    console = Console()
    for file in (options.html, options.json):
        file.parent.mkdir(parents=True, exist_ok=True)
    with sigterm_as_exit(), tempfile.TemporaryDirectory() as scratch, failures_in_words("vllm serve"):
        console.print(f"vllm serve (0.32.0) with a tiny Llama on this CPU; starting it takes a minute or more, in {run.python()}")
        with served(Path(scratch)) as server:
            demo = Demo(server, console)
            (job,) = demo.jobs
            load = ["python3", str(LOAD), server.address]
            console.print(f"load: {LOAD}, which fails when an answer differs from the first one")
            sending = subprocess.Popen(load, cwd=ROOT, stdout=subprocess.DEVNULL)
            try:
                demo.types("ps")
                demo.types("toggle", f"{HOOK}=upstream", "--timeout", "20")
                demo.types("toggle", "--reset", "--timeout", "20")
                if sending.poll() is not None:
                    sys.exit("the load ended: a request failed or its answer differs")
            finally:
                sending.terminate()
                sending.wait()
            duration = ("--block-ms", "500", "--equal-rounds", "8", "--budget", str(options.budget))
            measured = ("--job", job, "--load", shlex.join(load), *duration, "--json", str(options.json.resolve()))
            # Status 1: the figures are not to be trusted, on a busy machine; the page says why.
            demo.types("ab", HOOK, "upstream", "sync_free", *measured, accepted=(0, 1))
            demo.types("report", str(options.json.resolve()), "--html", str(options.html.resolve()))
            demo.types("ps")
    console.print(f"\npage: {options.html}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
