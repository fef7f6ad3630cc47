"""Operations that look as if they waited, and do not."""

from __future__ import annotations

from ._rule import Rule

FREE = (
    Rule("index-with-host-integer", "`x[3]`", "no", "a view", ""),
    Rule("device-index", "`x[cuda_long_index]`, `gather`, `index_select`", "no", "one kernel", ""),
    Rule(
        "mask-store-number",
        "`x[mask] = 1`, `mask` on the device",
        "no",
        "becomes `masked_fill_`",
        "",
    ),
    Rule(
        "slice-store-number",
        "`x[1:3] = 1`, `m[0] = 1` (the destination has a dimension)",
        "no",
        "`fill_`",
        "",
    ),
    Rule(
        "fill",
        "`fill_`, `masked_fill_`, `index_fill_`, `torch.full` with a Python number",
        "no",
        "a kernel argument",
        "",
    ),
    Rule(
        "host-scalar-operand",
        "CPU 0-dim tensor (op) CUDA tensor",
        "no",
        "read as a number. Not bit-equal to a CUDA 0-dim operand for fp16 and bf16: do not move it to save a sync",
        "",
    ),
    Rule("iterate", "`for t in cuda_1d`", "no", "views", ""),
    Rule(
        "download-pinned-non-blocking",
        '`x.to("cpu", non_blocking=True)`',
        "no",
        "torch pins the destination. It holds nothing until an event",
        "",
    ),
    Rule("upload-pinned-non-blocking", '`pinned.to("cuda", non_blocking=True)`', "no", "the copy is queued", ""),
    Rule(
        "solve-ex",
        "`torch.linalg.solve_ex(A, b).result`",
        "no",
        "`info` stays on the device. MAGMA may wait inside",
        "",
    ),
    Rule(
        "repeat-interleave-sized",
        "`torch.repeat_interleave(x, tensor, output_size=n)`",
        "no",
        "the size is known",
        "",
    ),
    Rule("multinomial", "`torch.multinomial`", "no", "two reads in older torch, none in 2.13", ""),
)
