"""Grammars of SGLang's backends, taken out of a release; what xgrammar and llguidance do on the host is a stand-in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import torch

from tests.environments import unpacked

from .upstream_source import functions

BACKENDS = ("xgrammar", "llguidance", "outlines")
CONSTRAINED = "sglang/srt/constrained"
BITS = 32


class _Kernel:
    """A Triton kernel: its launch does nothing, as in a dry run."""

    def __getitem__(self, grid: object) -> Any:
        return lambda *_, **__: None


def shared(release: str) -> dict[str, Any]:
    """Return what a release's backends and batches share, for their namespaces."""
    file = unpacked("sglang", release) / CONSTRAINED / "base_grammar_backend.py"
    names = [name for name in ("BaseGrammarObject", "GrammarRow", "GrammarMask") if f"class {name}" in file.read_text("utf-8")]
    return functions(file, names, {"torch": torch, "NamedTuple": NamedTuple})


def grammar(backend: str, release: str) -> Any:
    """Return a grammar in its first state, as a request has it."""
    return {"xgrammar": _xgrammar, "llguidance": _llguidance, "outlines": _outlines}[backend](release)


def _defined(release: str, file: str, names: list[str], **used: Any) -> dict[str, Any]:
    """Define classes of a backend beside their base class."""
    own = {**shared(release), "GrammarStats": SimpleNamespace, **used}
    return functions(unpacked("sglang", release) / CONSTRAINED / file, names, own)


def _shape(batch_size: int, vocab_size: int) -> tuple[int, int]:
    return batch_size, -(-vocab_size // BITS)


def _bitmask(batch_size: int, vocab_size: int, pin_memory: bool) -> torch.Tensor:
    return torch.full(_shape(batch_size, vocab_size), -1, dtype=torch.int32, pin_memory=pin_memory)


def _fill(matcher: object, mask: torch.Tensor, row: int) -> None:
    """Allow every second token; both libraries write to the mask's memory on the host."""
    assert mask.is_cpu
    mask[row] = 0x55555555


def _xgrammar(release: str) -> Any:
    folder = unpacked("sglang", release) / "sglang"
    places = ("srt/constrained/triton_ops/bitmask_ops.py", "kernels/ops/grammar/bitmask.py")
    kernel: dict[str, Any] = {
        "torch": torch,
        "triton": SimpleNamespace(cdiv=lambda a, b: -(-a // b), next_power_of_2=lambda n: 1 << (n - 1).bit_length()),
        "get_device_core_count": lambda: 132,
        "get_cuda_stream": lambda: None,
        "apply_token_bitmask_inplace_kernel": _Kernel(),
    }
    name = "apply_token_bitmask_inplace_triton"
    file = next((folder / place for place in places if (folder / place).exists()), None) or found_in(folder, name)
    apply = functions(file, [name], kernel)[name]
    helper = "_allocate_token_bitmask"
    names = ["XGrammarGrammar", *([helper] if f"def {helper}" in (folder / "srt/constrained/xgrammar_backend.py").read_text() else [])]
    found = _defined(
        release,
        "xgrammar_backend.py",
        names,
        _is_hip=False,
        allocate_token_bitmask=lambda batch_size, vocab_size: _bitmask(batch_size, vocab_size, False),
        get_bitmask_shape=_shape,
        bitmask_dtype=torch.int32,
        is_pin_memory_available=lambda *_: True,
        apply_token_bitmask_inplace_triton=apply,
    )
    matcher = SimpleNamespace(is_terminated=lambda: False)
    matcher.fill_next_token_bitmask = lambda mask, row: _fill(matcher, mask, row)
    return found["XGrammarGrammar"](matcher, 0, None, None)


def found_in(folder: Any, name: str) -> Any:
    """Return the file that defines a function."""
    return next(file for file in folder.rglob("*bitmask*.py") if f"def {name}(" in file.read_text("utf-8"))


def _llguidance(release: str) -> Any:
    text = (unpacked("sglang", release) / CONSTRAINED / "llguidance_backend.py").read_text("utf-8")
    names = ["GuidanceGrammar", *(name for name in ("fill_token_bitmask_batched",) if f"def {name}" in text)]

    def fill_all(_: object, matchers: list[tuple[Any, int]], mask: torch.Tensor) -> None:
        for matcher, row in matchers:
            _fill(matcher, mask, row)

    class Matcher:
        """A compiled grammar that is never at its end."""

        def __init__(self, *_: object, **__: object) -> None: ...

        def is_stopped(self) -> bool:
            return False

        def is_error(self) -> bool:
            return False

    found = _defined(
        release,
        "llguidance_backend.py",
        names,
        LLMatcher=Matcher,
        os=SimpleNamespace(environ={}),
        _LLGUIDANCE_LOG_LEVEL=1,
        allocate_token_bitmask=lambda batch_size, vocab_size: _bitmask(batch_size, vocab_size, True),
        fill_next_token_bitmask=_fill,
        fill_next_token_bitmask_par=fill_all,
        _get_or_init_mask_executor=lambda: None,
        apply_token_bitmask_inplace=_apply_bits,
    )
    tokenizer = SimpleNamespace(vocab_size=BITS + 8, eos_token=0, eos_tokens=[0])
    return found["GuidanceGrammar"](tokenizer, "")


def _apply_bits(logits: torch.Tensor, mask: torch.Tensor) -> None:
    """What llguidance 1.9.1 compiles, operator by operator."""
    expanded = torch.repeat_interleave(mask, BITS, dim=1)
    bits = torch.arange(BITS, device=logits.device, dtype=torch.int32).repeat(mask.shape[1])
    allowed = ((expanded >> bits) & 1)[:, : logits.shape[1]]
    logits.masked_fill_(allowed == 0, float("-inf"))


def _outlines(release: str) -> Any:
    guide = SimpleNamespace(get_next_instruction=lambda state: SimpleNamespace(tokens=[1, 3, 5]))
    return _defined(release, "outlines_backend.py", ["OutlinesGrammar"])["OutlinesGrammar"](guide, None)
