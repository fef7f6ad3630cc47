"""The changes that a fingerprint reacts to, and those that it ignores."""

from __future__ import annotations

import ast
import sys
import tokenize
import warnings
from collections.abc import Callable, Iterator
from textwrap import indent

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syncfree.fingerprints._definitions import SourceUnreadable
from syncfree.fingerprints._fingerprint import FunctionRecord, fingerprint

SAMPLE = '''\
@decorated("a", depth=2)
def target(self, x, /, sizes=(1, 2), *rest, mode="fan # in", **more):
    """Say what it does."""
    total = x @ sizes[0]  # a comment
    message = f"{total:>{sizes[1]}} {'µ' + mode!r} of # {{x}}"
    with open(mode) as first, open(
        message
    ) as second:
        for index in range(3):
            if index != 2:
                total += [
                    index,  # wrapped
                    -1,
                ][0]
        else:
            raise ValueError("no" "pe", rb"\\d") from None

    async def inner():
        """Its own docstring."""
        return lambda: not total

    return total if first else inner
'''


DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def record(source: str, name: str = "target") -> FunctionRecord:
    found = fingerprint(source, name)
    assert found is not None
    return found


def parsed(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def meaning(module: ast.Module) -> list[str]:
    """The syntax trees of the functions named ``target``, without docstrings and positions."""
    for node in ast.walk(module):
        if isinstance(node, DEFINITIONS):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                del node.body[0]
    return [ast.dump(n) for n in module.body if isinstance(n, DEFINITIONS) and n.name == "target"]


@st.composite
def edits(draw: st.DrawFn) -> str:
    """`SAMPLE` with a few characters taken out or put in."""
    text = SAMPLE
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 4)))
        text = text[:start] + draw(st.text("\n\t \\#'\"(){}:;,=+-xµ0f", max_size=3)) + text[end:]
    return text


@settings(max_examples=1000, deadline=None)
@given(edits())
def test_functions_with_one_fingerprint_have_one_meaning(edited: str) -> None:
    module, original = parsed(edited), parsed(SAMPLE)
    found = module and fingerprint(edited, "target")
    if module and original and found and found.fingerprint == record(SAMPLE).fingerprint:
        assert meaning(module) == meaning(original)


@st.composite
def layouts(draw: st.DrawFn) -> str:
    """`SAMPLE`, laid out anew without a change of what it does."""
    width = draw(st.sampled_from(["  ", "    ", "\t", "       "]))
    notes = st.sampled_from(["", "", "   ", "  # note: 'unclosed", "\t#"])
    between = st.sampled_from(["", "", "\n", "# at the margin\n", "          # far out\n", "\f\n"])
    lines = []
    for line in SAMPLE.splitlines():
        body = line.lstrip(" ")
        if body.startswith('"""'):
            body = draw(st.sampled_from([body, "'Other words.'", '"""\n  Several\nlines.\n"""', "r'raw' 'two'"]))
        comment = body.find("  #")
        body = body if comment < 0 else body[:comment]
        if body.endswith("["):
            body += draw(st.sampled_from(["", "\n", " # open\n\n"]))
        depth = (len(line) - len(line.lstrip(" "))) // 4
        lines.append(draw(between) + width * depth + body + draw(notes))
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    return (draw(st.sampled_from(["", "\ufeff"])) + "\n".join(lines) + "\n").replace("\n", ending)


@settings(max_examples=300, deadline=None)
@given(layouts())
def test_layout_comments_and_docstrings_do_not_matter(laid_out: str) -> None:
    assert record(laid_out) == record(SAMPLE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"a"', '"b"'),
        ("depth=2", "depth=3"),
        ("@decorated", "@other"),
        ("def target", "async def target"),
        ("x @ sizes", "x * sizes"),
        ("fan # in", "fan # out"),
        ("# {{x}}", "# {{y}}"),
        (":>{sizes[1]}", ":<{sizes[1]}"),
        ("'µ'", "'u'"),
        ("!r}", "!s}"),
        ("index != 2", "index == 2"),
        ("-1,", "1,"),
        ('rb"', 'b"'),
        ("not total", "total"),
        ("not total", "nottotal"),
        ("async def inner", "def inner"),
        ("        else:\n            raise", "        if first:\n            raise"),
        ("return total if first else inner", "return first if total else inner"),
    ],
)
def test_a_change_of_meaning_changes_the_fingerprint(old: str, new: str) -> None:
    assert SAMPLE.count(old) >= 1
    assert record(SAMPLE.replace(old, new, 1)).fingerprint != record(SAMPLE).fingerprint


def test_moving_a_statement_out_of_its_block_changes_the_fingerprint() -> None:
    inside = "def target():\n    if x:\n        a()\n        b()\n"
    outside = "def target():\n    if x:\n        a()\n    b()\n"
    assert record(inside).fingerprint != record(outside).fingerprint


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_line_endings_inside_a_string_do_not_matter(ending: str) -> None:
    source = 'def target():\n    return f"""a\n  {b}\n""", """\n\n"""\n'
    assert record(source.replace("\n", ending)) == record(source)
    assert record(source.replace("\n\n", "\n")) != record(source)


def test_a_method_has_the_fingerprint_of_the_same_function_at_any_depth() -> None:
    nested = "class A:\n  class B:\n" + indent(SAMPLE, "      ")
    assert record(nested, "A.B.target") == record(SAMPLE)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("", "()"),
        ("a: int, b: 'Tensor' = None", "(a, b=None)"),
        ("a, /, b, *, c=1e-4, d", "(a, /, b, *, c=0.0001, d)"),
        ("*args, key=lambda x: x if x else -1, **kw", "(*args, key=lambda x:x if x else-1, **kw)"),
        ("a=(1,\n  2,  # two\n  ), b='x', c=\"x\"", "(a=(1, 2, ), b='x', c='x')"),
        ("a=torch.float32, b=..., c=f'{x}  {y}'", "(a=torch.float32, b=..., c=f'{x}  {y}')"),
        ("a=x.y [ 0 ], *, b={'k' : [1,2]}", "(a=x.y[0], *, b={'k':[1, 2]})"),
    ],
)
def test_a_signature_has_names_kinds_and_defaults_but_no_annotations(parameters: str, expected: str) -> None:
    assert record(f"def target({parameters}) -> int: ...\n").signature == expected


def test_annotations_are_part_of_the_fingerprint() -> None:
    """Nothing is claimed for code that reads its own annotations."""
    assert record("def target(a: int): ...\n").fingerprint != record("def target(a: str): ...\n").fingerprint


@pytest.mark.parametrize(
    "source",
    [
        "if fast:\n    def target(a): return 1\nelse:\n    def target(b): return 2\n",
        "try:\n    from x import y\n    def target(a): return 1\nexcept ImportError:\n    def target(b): return 2\n",
        "match v:\n    case 1:\n        def target(a): return 1\n    case _:\n        def target(b): return 2\n",
    ],
)
def test_all_definitions_under_conditions_are_described_together(source: str) -> None:
    found = record(source)
    assert found.signature == "(a) | (b)"
    assert found.fingerprint != record(source.replace("return 2", "return 3")).fingerprint
    assert found.fingerprint != record(source.replace("return 1", "return 3")).fingerprint


def test_a_class_that_is_defined_twice_is_searched_twice() -> None:
    source = "if a:\n  class A:\n    def f(self): ...\nelse:\n  @dataclass\n  class A:\n    def f(self, x): ...\n"
    assert record(source, "A.f").signature == "(self) | (self, x)"


@pytest.mark.parametrize("name", ["absent", "Known.absent", "alias", "Known", "outer.inner", "Known.target.inner"])
def test_what_no_def_statement_makes_is_absent(name: str) -> None:
    source = "class Known:\n    def target(self):\n        def inner(): ...\ndef outer():\n    def inner(): ...\n"
    assert fingerprint(f"{source}alias = outer\n", name) is None


def test_a_decorator_on_the_next_line_counts() -> None:
    assert record("@(\n  a)\ndef target(): ...").fingerprint != record("@(\n  b)\ndef target(): ...").fingerprint


def test_unreadable_source_is_an_error_that_says_where() -> None:
    with pytest.raises(SourceUnreadable, match="line 2"):
        fingerprint("x = 1\ndef target(:\n", "target")


@pytest.mark.parametrize("source", ["def target(): ...\0", "x = " + "(" * 5000, "x = " + "-" * 100_000 + "1"])
def test_source_that_breaks_the_parser_is_unreadable(source: str) -> None:
    with pytest.raises(SourceUnreadable):
        fingerprint(source, "target")


def test_a_line_continuation_that_cannot_be_tokenized_names_the_function() -> None:
    """`tokenize` before Python 3.12 takes a backslash at the margin for the end of the block; the parser never did."""
    source = "\n\ndef target():\n    a()\n\\\n    def b():\n        c()\n    return b\n"
    if sys.version_info < (3, 12):
        with pytest.raises(SourceUnreadable, match="target, line 3"):
            fingerprint(source, "target")
    else:
        assert record(source) == record(source.replace("\\\n", ""))


@pytest.mark.parametrize("source", [r"def target(): return '\d'", "def target(): return 1 is 1"])
def test_a_doubtful_literal_warns_nobody(source: str) -> None:
    """The suite turns warnings into errors, which would make the source unreadable."""
    assert record(source).signature == "()"


@example("\f")
@example("\u2028")
@example("\x1c")
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\\'\n\r\0{}"), max_size=8))
def test_any_character_may_stand_in_a_string(content: str) -> None:
    plain = f"é = '{content}'\ndef target(a='{content}'):\n    'é'; return 'é', f'{content}'\n"
    other = f"é = 'x'\ndef target(a='{content}'):\n    # é\n    return 'é', f'{content}'\n"
    assert record(plain) == record(other)
    assert record(plain).fingerprint != record(plain.replace(f"f'{content}'", f"f'{content}.'")).fingerprint


def test_of_a_long_module_only_the_function_is_tokenized(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokenizing the whole module would take several times as long as parsing it."""
    method = indent(SAMPLE, "    ").replace("def target", "def method_{0}")
    source = "class Runner:\n" + "\n".join(method.replace("{0}", str(n)) for n in range(320))
    assert source.count("\n") > 7000
    generate = tokenize.generate_tokens
    lines: list[str] = []

    def counted(readline: Callable[[], str]) -> Iterator[tokenize.TokenInfo]:
        def read() -> str:
            lines.append(readline())
            return lines[-1]

        return generate(read)

    monkeypatch.setattr(tokenize, "generate_tokens", counted)
    record(source, "Runner.method_200")
    assert 0 < len(lines) < 10 * method.count("\n")
