"""The documentation says what is so: generated pages, links, examples, names of variables."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import syncfree
from docs import captures, framework_tables, hooks_page
from docs.__main__ import stale, with_table
from syncfree import _select, _variables
from syncfree._runtime import Runtime
from syncfree.adapting import Adapter, Form
from syncfree.cli._app import app
from syncfree.fingerprints._releases import load_releases
from syncfree.hooks import HOOKS

from .made_up import REDUCE, SLOW, MadeUp, compose_reduce, reduce_binding

ROOT = Path(__file__).parents[2]
WRITTEN = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")),
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PYTHON = re.compile(r'^```python(?: title="[^"]+")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"\bSYNCFREE_[A-Z_]*[A-Z]\b")


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def examples(page: str) -> list[str]:
    return PYTHON.findall(text_of(page))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_generated_pages_are_current() -> None:
    pages = ["README.md", "docs/hooks.md", "docs/why.md", "docs/architecture.md", "docs/pictures/architecture.svg"]
    assert stale([*pages, *framework_tables.PAGES]) == [], "run `make docs`"


@pytest.mark.parametrize("page", framework_tables.PAGES)
def test_the_table_of_a_framework_has_a_row_for_each_place(page: str) -> None:
    adapter = framework_tables.PAGES[page]
    table = framework_tables.table(adapter)
    for binding in adapter.bindings:
        assert f"[`{binding.hook}`](hooks.md#{binding.hook})" in table
    named = len(re.findall(r"`[\w.]*`(?=[,<]| \|)", table))
    counted = sum(map(int, re.findall(r"` of (\d+) classes", table)))
    assert named + counted == sum(len(binding.targets) for binding in adapter.bindings)


def test_a_page_that_has_lost_its_markers_is_named() -> None:
    with pytest.raises(SystemExit, match=r"docs/index\.md has no table between <!-- begin"):
        with_table("docs/index.md", str)


JUDGED = {
    "0.9": ("unknown", "no form of the adapter covers it", False),
    "1.0": ("stalls", "it stalls", True),
    "2.0": ("absent", "", False),
    "3.0": ("upstreamed", "it is done there", False),
    "3.1": ("unknown", f"the code of {REDUCE} changed: expected ", False),
}


@pytest.mark.parametrize("release", JUDGED)
def test_a_verdict_in_the_table_is_that_of_doctor(made_up: MadeUp, release: str) -> None:
    """The page asks with recorded functions what doctor asks with those in the installed files."""
    fast = SLOW.replace('["upstream", ', '["fast", ')
    for version, source in zip(JUDGED, (SLOW, SLOW, "", fast, fast.replace("list(local)", "local")), strict=True):
        made_up.release(version, source)
    made_up.record(REDUCE)
    needed = Form(">=1.0,<3", "stalls", "it stalls", (compose_reduce,))
    adapter = made_up.adapter(reduce_binding(needed, Form(">=3.0", "upstreamed", "it is done there", None)))
    made_up.install(release)
    entry = syncfree.load("made_up").entry("dp_all_reduce")
    (torch,) = hooks_page.torches(adapter.bindings[0])
    found = hooks_page.verdict(adapter, adapter.bindings[0], release, load_releases(adapter.home), torch)
    expected, why, replaceable = JUDGED[release]
    assert (found[0], found[2]) == (entry.verdict, replaceable) == (expected, replaceable)
    assert found[1].startswith(why)
    assert found[1] in entry.reason or why == JUDGED["0.9"][1]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_its_row_and_its_section(hook: str) -> None:
    assert f"| [`{hook}`](docs/hooks.md#{hook}) |" in text_of("README.md")
    assert f"\n## `{hook}`\n" in text_of("docs/hooks.md")


@pytest.mark.parametrize("page", WRITTEN)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    for link in LINK.findall(text_of(page)):
        if not link.startswith("https://"):
            path, _, anchor = link.partition("#")
            target = (ROOT / page).parent / path if path else ROOT / page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", [page.removeprefix("docs/") for page in WRITTEN if page.startswith("docs/")])
def test_every_page_is_in_the_navigation_of_the_site(page: str) -> None:
    assert re.search(rf"^ +- .*: {re.escape(page)}$", text_of("docs/site/mkdocs.yml"), re.MULTILINE)


@pytest.mark.parametrize("page", WRITTEN)
def test_every_variable_that_a_page_names_exists(page: str) -> None:
    known = {*_variables.GENERAL_VARIABLES, *(hook.variable for hook in HOOKS.values())}
    assert set(VARIABLE.findall(text_of(page))) <= known


def test_choosing_names_every_general_variable_and_states_the_precedence_of_the_code() -> None:
    page = text_of("docs/choosing.md")
    assert all(f"`{variable}`" in page for variable in _variables.GENERAL_VARIABLES)
    assert _select.__doc__ is not None
    order = re.findall(r"^\d\. ([^:;]*)", _select.__doc__, re.MULTILINE)
    assert len(order) == 4
    positions = [page.index(f". {step.replace('``', '`')}") for step in order]
    assert positions == sorted(positions)


@pytest.mark.parametrize("page", WRITTEN)
def test_every_python_example_compiles(page: str) -> None:
    for number, source in enumerate(examples(page)):
        compile(source, f"{page}, example {number}", "exec")


def test_every_command_is_shown_on_the_page_of_captures() -> None:
    shown = {word for command in captures.recorded() for word in re.findall(r"syncfree ([a-z-]+)", command)}
    assert {command.name for command in app.registered_commands} <= shown, "add it to docs/captures.py, and run `make captures`"
    assert set(captures.recorded()) == set(captures.COMMANDS), "run `make captures`"


def test_the_first_screen_of_the_readme_says_what_it_is_and_how_to_start() -> None:
    screen = "\n".join(text_of("README.md").splitlines()[:40])
    assert all(word in screen for word in ("![", "pip install .", "vllm serve", "sglang serve", "python video.py", "syncfree audit"))


@pytest.mark.parametrize("page", ["README.md", "docs/plugins.md"])
def test_the_plugin_example_is_taken_in(page: str, runtime: Runtime) -> None:
    (source,) = [example for example in examples(page) if example.startswith('"""kept_frames.py')]
    module = ModuleType("kept_frames")
    exec(source, vars(module))
    syncfree.register(module)
    assert runtime.plugins().implementations["postprocess"]["kept_frames"].declaration.exact
    syncfree.use(postprocess="kept_frames")


def test_the_lazy_example_declares_without_importing(runtime: Runtime) -> None:
    (source,) = [example for example in examples("docs/plugins.md") if "implementation=" in example]
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    syncfree.register(type("AcmeFrames", (), {"postprocess": staticmethod(namespace["postprocess"])}))
    found = runtime.plugins().implementations["postprocess"]["AcmeFrames"]
    with pytest.raises(syncfree.PluginError, match=r"acme_frames\.kernels:scaled_frames"):
        found.function()


def test_the_tables_of_the_example_are_plugins(runtime: Runtime) -> None:
    namespace: dict[str, Any] = {}
    tables = [example for example in examples("docs/plugins.md") if "PLUGIN = " in example]
    assert len(tables) == 2
    for number, source in enumerate(tables):
        exec(source, namespace)
        syncfree.register(namespace["PLUGIN"], f"acme_{number}")
        for hook in ("postprocess", "qk_norm"):
            declared = runtime.plugins().implementations[hook][f"acme_{number}"].declaration
            assert declared.implementation == f"acme_frames.{hook}:{hook}"


def test_the_adapter_example_is_an_adapter() -> None:
    namespace: dict[str, object] = {"__name__": "acme"}
    exec(examples("docs/adapters.md")[0], namespace)
    adapter = namespace["ADAPTER"]
    assert isinstance(adapter, Adapter)
    assert {binding.hook for binding in adapter.bindings} <= set(HOOKS)
