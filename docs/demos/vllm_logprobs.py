"""Demo: a tiny random-weight Llama in real vLLM engines, asked for the logprobs of chosen tokens.

    python -m docs.demos.vllm_logprobs [--picture FILE]

The engines run in environments of their own, with this tree's wheel installed by pip. vLLM 0.32.0 runs in three processes,
once with ``SYNCFREE=off`` and once with our gather, switched to upstream and back while it generates; 0.21.0, a hybrid of
that release's Python with newer C extensions, shows what is bound by default where the release stalls. Host syncs are
counted on a simulated GPU and times taken on this CPU, with the real functions of both releases. All in this run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from syncfree._ab import Comparison, summarize
from syncfree.adapters.vllm.sampler_logprob_gather import BINDING
from syncfree.plugins.sync_free.sampler_logprob_gather import sampler_logprob_gather
from tests.contract.support.vllm_releases import form_of, sampler
from tests.engines.vllm import run

from ._children import failures_in_words, printed_by
from ._tables import print_rows

HOOK = "sampler_logprob_gather"
RELEASES = ("0.21.0", "0.32.0")
REQUESTS = (1, 8, 32, 64, 128, 256)
IDS = 20
VOCABULARY = 512
PAIRS = 20


def engines(console: Console) -> dict[str, dict[str, Any]]:
    """Run the three engines; what each generated and what its workers report."""
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for title, version, choices, variables in (
            ("0.32.0, SYNCFREE=off", "0.32.0", (), {"SYNCFREE": "off"}),
            ("0.32.0, chosen", "0.32.0", ("sync_free", "upstream"), {"SYNCFREE_SAMPLER_LOGPROB_GATHER": "sync_free"}),
            ("0.21.0 (hybrid), default", "0.21.0", ("default", "upstream"), {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}),
        ):
            folder = Path(scratch, version + "".join(choices))
            folder.mkdir()
            with console.status(f"vLLM {title}"), failures_in_words(f"vLLM {title}"):
                found[title] = run.generate(folder, version, *choices, **variables)
    for generated in found["0.21.0 (hybrid), default"]["generated"].values():
        # On the CPU 0.21.0 ignores the seed of a request that shares its batch with one without, so these are random.
        generated[:] = [generated[0], generated[3]]
    return found


def print_processes(console: Console, found: dict[str, dict[str, Any]]) -> None:
    columns = ("engine", "process", "verdict", "bound", "calls of ours / of upstream", "why")
    rows = []
    for title, told in found.items():
        for report in told["workers"]:
            process = "the only one" if report["pid"] == told["pid"] else f"worker {report['pid']}"
            if not report["plan"]["enabled"]:
                rows.append((title, process, "", "no", "", "switched off"))
                continue
            entry = run.binding(report, HOOK)
            counts = next(iter(entry["counts"].values()))
            calls = f"{counts['sync_free']['calls']} / {counts['upstream']['calls']}"
            rows.append((title, process, entry["verdict"], entry["state"], calls, entry["reason"]))
    print_rows(console, "What was bound in each worker process, and why", columns, rows)


def print_generated(console: Console, found: dict[str, dict[str, Any]]) -> bool:
    """Print what every engine and choice generated; return whether all of one release are the same."""
    table = Table(title="Four requests (0.21.0: the two greedy ones): tokens, logprobs and ranks", title_justify="left")
    for column in ("engine", "choice", "tokens of the first request", "logprob of token 300 there", ""):
        table.add_column(column)
    references: dict[str, Any] = {}
    equal = True
    for title, told in found.items():
        for choice, generated in told["generated"].items():
            reference = references.setdefault(title.split(",")[0], generated)
            equal &= generated == reference
            first = generated[0]
            (logprob,) = (logprob for token, logprob, _ in first["logprobs"][0] if token == 300)
            verdict = "reference" if generated is reference else ("equal" if generated == reference else "DIFFERENT")
            table.add_row(title, choice, " ".join(map(str, first["tokens"])), repr(logprob), verdict)
    console.print(table)
    return equal


def both(release: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The release's own function, and ours bound as the adapter binds it."""
    upstream = sampler(release)["gather_specific_token_logprobs"]
    (compose,) = form_of(BINDING, release).compose or ()
    return upstream, compose(sampler_logprob_gather, upstream)


def batch(requests: int, device: str) -> tuple[Any, ...]:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(requests, VOCABULARY, generator=generator).log_softmax(-1)
    ids = torch.randint(VOCABULARY, (requests, IDS), generator=generator).tolist()
    sampled = torch.randint(VOCABULARY, (requests,), generator=generator)
    self = SimpleNamespace(pin_memory=device == "cuda")
    return self, scores.to(device), dict(enumerate(ids)), sampled.to(device)


def count_syncs_here() -> dict[str, list[list[int]]]:
    """Host syncs per call, upstream's and ours, by release and requests; installs the simulated GPU."""
    from syncfree.audit import audit

    with audit(backend="simulated"):
        pass  # install it before any tensor is made
    found: dict[str, list[list[int]]] = {}
    for release in RELEASES:
        for requests in REQUESTS:
            arguments, counts = batch(requests, "cuda"), []
            for function in both(release):
                with audit() as report:
                    function(*arguments)
                counts.append(report.count)
            found.setdefault(release, []).append(counts)
    return found


def count_syncs() -> dict[str, list[list[int]]]:
    return dict(json.loads(printed_by("docs.demos.vllm_logprobs", "--count-syncs").splitlines()[-1]))


def compare(release: str, requests: int) -> Comparison:
    """Host time of one call, upstream against ours, in alternating blocks."""
    upstream, ours = both(release)
    arguments, calls = batch(requests, "cpu"), max(3, 64 // requests)

    def seconds(function: Callable[..., Any]) -> float:
        start = time.process_time()
        for _ in range(calls):
            function(*arguments)
        return (time.process_time() - start) / calls

    seconds(upstream)
    seconds(ours)
    a, b = [], []
    for pair in range(PAIRS):
        for function, times in ((upstream, a), (ours, b)) if pair % 2 else ((ours, b), (upstream, a)):
            times.append(seconds(function))
    return summarize("upstream", "sync_free", a, b)


def print_calls(console: Console, syncs: dict[str, list[list[int]]], times: dict[str, dict[int, Comparison]]) -> None:
    table = Table(title=f"One call of the gather, {IDS} token ids per request", title_justify="left")
    table.add_column("vLLM")
    for column in ("requests", "host syncs, upstream", "ours", "host time, upstream", "ours", "upstream / ours"):
        table.add_column(column, justify="right")
    for release in RELEASES:
        for requests, (theirs, ours) in zip(REQUESTS, syncs[release], strict=True):
            result = times[release][requests]
            table.add_row(
                release if requests == REQUESTS[0] else "",
                str(requests),
                str(theirs),
                str(ours),
                f"{median_us(result.seconds_a):.0f} us",
                f"{median_us(result.seconds_b):.0f} us",
                f"{result.ratio:.2f}x ({result.low:.2f} to {result.high:.2f})",
                end_section=requests == REQUESTS[-1],
            )
    console.print(table)
    console.print(
        f"Host syncs: on a simulated GPU. Times: this CPU, {PAIRS} alternating pairs, vocabulary {VOCABULARY}, a PyTorch "
        "function for 0.21.0's Triton kernel, and 0.32.0's compiled rank count left uncompiled, for both sides."
    )


def median_us(seconds: tuple[float, ...]) -> float:
    return sorted(seconds)[len(seconds) // 2] * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="where to save the picture (PNG)")
    parser.add_argument("--count-syncs", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count_syncs:
        print(json.dumps(count_syncs_here()))
        return 0
    torch.set_num_threads(1)
    console = Console()
    found = engines(console)
    print_processes(console, found)
    equal = print_generated(console, found)
    with console.status("counting host syncs and timing calls"):
        syncs = count_syncs()
        times = {release: {requests: compare(release, requests) for requests in REQUESTS} for release in RELEASES}
    print_calls(console, syncs, times)
    if options.picture:
        from .vllm_logprobs_picture import draw

        draw(found, syncs, times, options.picture)
        console.print(f"picture: {options.picture}")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
