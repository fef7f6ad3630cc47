"""What adapters declare to be repeatable may be called twice: it changes no argument and draws no random number."""

from __future__ import annotations

import ast
import zipfile
from importlib import import_module
from typing import NamedTuple

import pytest
from packaging.specifiers import SpecifierSet

from syncfree._own_entry_points import ADAPTERS
from syncfree.adapting import Adapter
from syncfree.fingerprints._releases import load_releases
from syncfree.fingerprints._wheels import Index

from .support.writes import Found, examine

EXAMINED = """
    0eea43439e9904bb 117af0730036f627 158cc35d9d5909fd 186173fd59e9cbf6 1bae68753a6c9ad6
    235ec709bd841f8c 23cac4fef0b9d77e 246a015631aac70c 24aea5dfa4e65ce3 2f2bfed0d27261d4
    3458fabd5c11385d 3bbc6471c1299033 56243f4ce77293b9 57991c4ae77ec551 5f7e63cbf28753cd
    66ed6f3de449e8e1 6932abb2c4ef7661 6e0a8c7bea3954f2 76a042512e842d01 77a068f5229c7421
    77ea111d164129e1 7a7079f846f00656 7dfed670bda23d50 909a40400efd7a8e 9d217ca3128c9d61
    9e4e7e30450f59c3 a0d97fa797a9d8ae ae20ba0f70e56feb ae52f27f4b32cacb b327a4eabe2660b1
    b87d4ff9491ed923 b8e6b55569f8c8f0 c1591a5e54b25824 c8f0fb72a9585f80 dc5ac78beb39ef9f
    e949c4d83c60e34f eee9f62a4a6ec420 f21e3672c62a509e f331c8f95abfe71e facc251fcaa63a52
    fc36101f5f69abf4
"""
"""The fingerprints of functions that `test_a_repeatable_function_writes_to_no_argument` has passed for, with ``--sweep``."""
READ = {
    "._sigma_to_alpha_sigma_t": "arithmetic",
    ".step": "of solver_p, a scheduler with a state; the adapters decline a scheduler that has one",
    ".append": "to a list that the function made",
    "async_tensor_h2d": "a new tensor",
    "batched_count_greater_than": "compares and adds up",
    "compute_token_logprobs": "a kernel that writes into a new tensor",
    "compute_unipc_bh_coefficients": "arithmetic",
    "get_token_ids_logprobs_raw": "indexes into new lists and tensors",
    "make_tensor_with_pad": "a new tensor; its fingerprint is checked with the function's, see `Binding.depends`",
    "torch._dynamo.decorators.mark_unbacked": "a mark for the compiler on the tensor object, always the same; verification passes a copy",
}
"""Functions outside that get an argument, and what they do."""
HARMLESS = {".gather", ".index", ".index_select", ".items", ".new_empty", ".to", ".unsqueeze", ".values"}


class Case(NamedTuple):
    """A recorded function: where it is, and the first release that has it."""

    adapter: Adapter
    target: str
    release: str
    fingerprint: str


def adapters() -> list[Adapter]:
    paths = (path.partition(":") for path in ADAPTERS.values())
    return [getattr(import_module(module), name) for module, _, name in paths]


def recorded() -> list[Case]:
    """Each distinct function at the targets of repeatable bindings, in the releases of their forms."""
    found: dict[tuple[str, str], Case] = {}
    for adapter in adapters():
        releases = load_releases(adapter.home)
        for binding in (binding for binding in adapter.bindings if binding.repeatable):
            for release in (name for name in releases.names if any(name in SpecifierSet(form.releases) for form in binding.forms)):
                for target in binding.targets:
                    record = releases.record(target, release)
                    if record is not None:
                        found.setdefault((target, record.fingerprint), Case(adapter, target, release, record.fingerprint))
    return list(found.values())


def examined(case: Case) -> Found:
    module, _, name = case.target.partition(":")
    with zipfile.ZipFile(Index(case.adapter.distributions).sources(case.release).path) as sources:
        (file,) = (each for each in sources.namelist() if each.endswith(f"{module.replace('.', '/')}.py"))
        node: ast.AST = ast.parse(sources.read(file))
    for part in name.split("."):
        (node,) = (each for each in getattr(node, "body", ()) if getattr(each, "name", None) == part)
    assert isinstance(node, ast.FunctionDef)
    return examine(node)


def test_every_recorded_function_of_a_repeatable_binding_has_been_examined() -> None:
    """A new release with another function fails here: run this file with ``--sweep`` and add its fingerprint."""
    known = {f"sha256:{each}" for each in EXAMINED.split()}
    assert sorted(f"{case.target} of {case.release}: {case.fingerprint}" for case in recorded() if case.fingerprint not in known) == []
    assert known == {case.fingerprint for case in recorded()}


def test_a_repeatable_function_writes_to_no_argument(request: pytest.FixtureRequest) -> None:
    """Of vLLM's row copy and SGLang's rotation here; with ``--sweep``, of every recorded function."""
    few = [case for case in recorded() if case.target.endswith((":_copy_pooler_output_to_cpu", ":qwen3_apply_rotary_pos_emb"))]
    for case in recorded() if request.config.getoption("--sweep") else few:
        found = examined(case)
        assert (found.writes, found.draws) == ([], []), case
        unread = {name for name in found.given_to if name not in READ and name not in HARMLESS and not name.startswith("torch.")}
        unread |= {name for name in found.given_to if name.startswith("torch._") and name not in READ}
        assert unread == set(), case


@pytest.mark.parametrize(
    "body",
    [
        "x[0] = 1", "x.y = 1", "x += 1", "del x[0]", "x.add_(1)", "x.pop()", "y = x.view(2)\n    y[0] = 1", "self.step = 2",
        "for row in x:\n        row.zero_()", "for i, row in enumerate(x):\n        row[i] = 0", "(a, b) = (x, 1)\n    a.y += 1",
        "y = x\n    y.sub(1, out=y)", "self.seen.append(x)",
    ],
)  # fmt: skip
def test_the_examination_sees_a_write(body: str) -> None:
    assert examine(function(body)).writes


@pytest.mark.parametrize("body", ["return torch.rand(3)", "return x.bernoulli()", "torch.manual_seed(1)", "x = randn_tensor(x.shape)"])
def test_the_examination_sees_a_random_draw(body: str) -> None:
    assert examine(function(body)).draws


@pytest.mark.parametrize("body", ["y = x.clone()\n    y[0] = 1", "y = []\n    y.append(x)", "y = list(x)\n    y[0] = 1", "return x + 1"])
def test_the_examination_lets_new_objects_be_written_to(body: str) -> None:
    assert examine(function(body)) == Found(given_to=examine(function(body)).given_to)


def function(body: str) -> ast.FunctionDef:
    node = ast.parse(f"def function(self, x):\n    {body}\n").body[0]
    assert isinstance(node, ast.FunctionDef)
    return node
