"""Counts of the host's waits in functions of SGLang's language engine: the table of docs/sglang-srt.md.

`tests/contract/test_waits_of_sglang_srt.py` counts each row again, on the simulated device.
"""

from __future__ import annotations

from dataclasses import dataclass

RELEASES = ("0.5.9", "0.5.15", "0.5.20", "0.5.23")


@dataclass(frozen=True, slots=True)
class Row:
    """The cost of one function.

    Attributes:
        name: of the row's counter in the test.
        what: the functions.
        when: how often they are called, and with what.
        waits: of upstream's code, by release of `RELEASES`; None where the release does not have the function.
        ours: the hook that removes the waits, or why none does.
        staged: uploads from memory that is not pinned, which the driver stages and which are no waits; as `waits`.
    """

    name: str
    what: str
    when: str
    waits: tuple[int | None, int | None, int | None, int | None]
    ours: str
    staged: tuple[int, int, int, int] = (0, 0, 0, 0)


ROWS = (
    Row("parameters", "`from_schedule_batch`", "new batch", (4, 0, 0, 0), "`sampling_parameters`: 0"),
    Row("biases", "`from_schedule_batch`", "new batch, three logit biases each", (16, 12, 12, 0), "`sampling_parameters`: 0"),
    Row("penalties", "`_BatchedPenalizer.prepare`", "new batch, all penalties", (7, 8, 8, 0), "`sampling_parameters`: 0"),
    Row("min_tokens", "`BatchedMinNewTokensPenalizer._apply`", "step", (3, 0, 0, 0), "`min_tokens_penalty`: 0"),
    Row(
        "processors",
        "`apply_custom_logit_processor`",
        "step, two of the requests",
        (5, 5, 5, 0),
        "`custom_logit_processor`: 0, and 1 for a new batch",
    ),
    Row(
        "processors_left",
        "`_filter_batch_custom_logit_processor`",
        "requests leave a batch, one processor",
        (1, 1, 1, 0),
        "`custom_logit_processor`: 0",
    ),
    Row(
        "scoring",
        "`get_token_ids_logprobs_batch_optimized`",
        "prefill-only batch",
        (6, 6, 6, None),
        "`sampler_logprob_gather`: 0",
    ),
    Row("top_logprobs", "`get_top_logprobs`", "step", (2, 0, 0, 0), "none: the results are lists on the host"),
    Row(
        "prompt_tokens",
        "logprobs of named tokens of the prompts",
        "prefill, four requests that name tokens",
        (8, 4, 0, 0),
        "no hook: the results are lists on the host, read one by one",
        (0, 4, 4, 0),
    ),
    Row("xgrammar", "grammar mask, xgrammar", "step", (0, 0, 0, 0), "nothing waits", (1, 1, 0, 0)),
    Row("llguidance", "grammar mask, llguidance", "step", (0, 0, 0, 0), "nothing waits"),
    Row("outlines", "grammar mask, outlines", "step, three grammars", (0, 0, 0, 0), "nothing waits", (3, 3, 3, 3)),
    Row("future_tokens", "`FutureMap`: tokens stored and resolved", "step, overlap schedule", (0, 0, 0, 0), "nothing waits"),
)


def table() -> str:
    """Return the table in Markdown."""
    lines = [f"| function | when | {' | '.join(RELEASES)} | with our hooks |", f"|---|---|{'---:|' * len(RELEASES)}---|"]
    for row in ROWS:
        counts = " | ".join(_count(waits, staged) for waits, staged in zip(row.waits, row.staged, strict=True))
        lines.append(f"| {row.what} | {row.when} | {counts} | {row.ours} |")
    return "\n".join(lines) + "\n"


def _count(waits: int | None, staged: int) -> str:
    return "" if waits is None else f"{waits}, {staged} staged" if staged else str(waits)
