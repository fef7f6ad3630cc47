"""The codes of ``syncfree lint``; reasons and replacements of those that stall are the auditor's."""

from __future__ import annotations

from dataclasses import dataclass

from ..audit._rules import named


@dataclass(frozen=True, slots=True)
class Code:
    """One mistake that is looked for.

    Attributes:
        code: what ``# noqa:`` and ``ignore`` name.
        name: the row of the auditor's rule table, or a name of its own for a race, which the table does not have.
        found: the Python code that is found, in Markdown.
        reason, replacement: why it is a mistake, and what to write instead; one line each.
        hot: whether it is looked for in hot functions only, because elsewhere it may be what is wanted.
    """

    code: str
    name: str
    found: str
    reason: str
    replacement: str
    hot: bool


def _stalls(code: str, name: str, found: str, *, hot: bool = True) -> Code:
    rule = named(name)
    return Code(code, name, found, rule.why.replace("`", ""), rule.replacement, hot)


_CODES = (
    Code("SF001", "unknown-code", "`# noqa: SF...` with a code that does not exist", "it suppresses nothing", "a code that exists", False),
    _stalls(
        "SF101",
        "upload-pageable-non-blocking",
        "`.to(device, non_blocking=True)`, `.cuda(non_blocking=True)` or `copy_` of a tensor made without `pin_memory`",
        hot=False,
    ),
    _stalls(
        "SF102", "download-pageable-non-blocking", "`copy_(x, non_blocking=True)` into a tensor made without `pin_memory`", hot=False
    ),
    Code(
        "SF103",
        "pinned-buffer-reused",
        "a pinned buffer is written again after a `non_blocking` upload of it, and nothing waited between them",
        "the copy may not have been made: the device may get the new content",
        "a buffer for each copy (PyTorch keeps and reuses pinned memory), or an event that is waited for before the buffer is written",
        False,
    ),
    Code(
        "SF104",
        "download-read-early",
        "the result of a `non_blocking` download is read, and nothing waited between them",
        "the copy may not have been made: the host may read what was there before",
        "an event recorded after the copy, and event.synchronize() where the value is used",
        False,
    ),
    _stalls("SF201", "item", "`x.item()`, and `int(x)`, `float(x)` of a tensor"),
    _stalls("SF202", "tolist", '`x.tolist()`, `x.cpu()`, `x.to("cpu")`'),
    _stalls("SF203", "tensor-from-host-data", "`torch.tensor(data, device=device)`, `as_tensor` of a list, `x.new_tensor(data)`"),
    _stalls("SF204", "upload", "`.to(device)`, `.cuda()` of a tensor on the host"),
    _stalls(
        "SF205",
        "data-dependent-shape",
        "`nonzero`, `argwhere`, one-argument `where`, `masked_select`, `unique`, `unique_consecutive`, `bincount`, `histc`",
    ),
    _stalls("SF206", "boolean-mask-read", "`x[mask]`, `x[a > b]`, and `x[mask] = tensor`"),
    _stalls("SF207", "implicit-item", "the truth of a tensor (`if x:`, `if x.any():`, `bool(x)`), `range(x)`, an f-string of it"),
    _stalls("SF208", "explicit-wait", "`torch.cuda.synchronize()`, `event.synchronize()`, `stream.synchronize()`"),
    _stalls("SF209", "solve", "`torch.linalg.solve`, `inv`, `cholesky`, `lu_factor`"),
    _stalls("SF210", "decomposition", "`torch.linalg.eigh`, `eig`, `svd`, `svdvals`, `pinv`, `matrix_rank`, `lstsq`"),
    _stalls("SF211", "repeat-interleave", "`repeat_interleave` by a tensor without `output_size=`"),
    _stalls("SF212", "host-index", "`x[[0, 2]]`, and `x[index]` by an index on the host"),
    _stalls("SF213", "index-put-python-number", "`x[index] = number` by an index on the device"),
    _stalls("SF214", "equal", "`torch.equal`"),
    _stalls("SF215", "allclose", "`torch.allclose`"),
)

CODES: dict[str, Code] = {code.code: code for code in _CODES}
"""Every code, in order. SF0: of the comments themselves; SF1: looked for everywhere; SF2: in hot functions."""
