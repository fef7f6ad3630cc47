"""A form that holds with some releases of torch: the installed one decides, and every verdict says which it means."""

from __future__ import annotations

import importlib

import pytest
from packaging.version import Version
from typer.testing import CliRunner

import syncfree
from syncfree import _judge
from syncfree._adapters import Adapters
from syncfree._installed_torch import holds_with
from syncfree._plan import Entry
from syncfree._runtime import Runtime
from syncfree.adapting import Adapter, Form
from syncfree.audit._rules import RULES
from syncfree.audit.simulated._support import TESTED
from syncfree.cli._app import app

from .made_up import REDUCE, SLOW, MadeUp, compose_reduce, reduce_binding
from .spawned import CALL, First

SHIPPED = sorted(Adapters().discover(), key=lambda adapter: adapter.framework)
WAITS = Form(">=1.0,<2", "stalls", "a store waits", (compose_reduce,), torch="<2.15")
FIXED = Form(">=1.0,<2", "upstreamed", "fixed by torch 2.15", (compose_reduce,), torch=">=2.15,<3")
SHOWN = {WAITS: "a store waits (with torch <2.15)", FIXED: "fixed by torch 2.15 (with torch >=2.15,<3)"}


def load(made_up: MadeUp, torch: str, release: str = "1.0") -> Entry:
    """Install the framework beside a release of torch, and load it."""
    made_up.release("1.0")
    made_up.record(REDUCE)
    made_up.install(release, SLOW)
    info = made_up.folder / f"torch-{torch}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {torch}\n")
    made_up.adapter(reduce_binding(WAITS, FIXED))
    syncfree.register(First(), "first")
    return syncfree.load("made_up").entry("dp_all_reduce")


@pytest.mark.parametrize("torch", ["2.9.1", "2.14.1+cu130"])
def test_with_a_torch_that_makes_the_host_wait_the_form_that_stalls_is_bound(
    made_up: MadeUp, monkeypatch: pytest.MonkeyPatch, torch: str
) -> None:
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "first")
    entry = load(made_up, torch)
    assert (entry.verdict, entry.reason) == ("stalls", SHOWN[WAITS])
    assert made_up.work().reduce(*CALL)[0] == "first"


@pytest.mark.parametrize("torch", ["2.15.0+cu132", "2.15.0.dev20260901", "2.16.0a0+git1234"])
def test_what_torch_has_fixed_is_upstreamed_and_not_bound_by_default(made_up: MadeUp, torch: str) -> None:
    entry = load(made_up, torch)
    assert (entry.verdict, entry.reason, entry.choice) == ("upstreamed", SHOWN[FIXED], "upstream")
    assert made_up.work().reduce(*CALL)[0] == "upstream"


def test_what_torch_has_fixed_is_bound_when_an_implementation_is_named(
    made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "first")
    assert load(made_up, "2.15.0").verdict == "upstreamed"
    assert made_up.work().reduce(*CALL)[0] == "first"


def test_a_torch_that_no_form_has_is_refused_with_those_that_they_have(made_up: MadeUp) -> None:
    entry = load(made_up, "3.0.0")
    assert (entry.verdict, entry.state) == ("unknown", "refused")
    assert "is known with torch <2.15 or >=2.15,<3, and torch 3.0.0 is installed" in entry.reason


def test_without_torch_the_verdict_is_not_guessed(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_judge, "torch_version", lambda: None)
    entry = load(made_up, "2.15.0")
    assert (entry.verdict, entry.state) == ("unknown", "refused")
    assert "and no torch is installed" in entry.reason


@pytest.mark.parametrize("torch", ["2.14.1", "2.15.0"])
def test_a_release_that_was_never_recorded_is_unknown_with_every_torch(made_up: MadeUp, torch: str) -> None:
    """Its code is one that torch fixed, not one that the framework fixed, so nobody has looked at what is around it."""
    entry = load(made_up, torch, "2.1")
    assert (entry.verdict, entry.state) == ("unknown", "refused")
    assert "its code is that of >=1.0,<2" in entry.reason


@pytest.mark.parametrize(("torch", "form"), [("2.14.1", WAITS), ("2.15.0", FIXED)])
@pytest.mark.parametrize("command", [("doctor", "--verbose"), ("doctor", "dp_all_reduce"), ("explain", "dp_all_reduce")])
def test_doctor_and_explain_say_which_torch_a_verdict_means(
    made_up: MadeUp, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, torch: str, form: Form, command: tuple[str, ...]
) -> None:
    for name in ("doctor", "_doctor_text", "_environment", "explain"):
        monkeypatch.setattr(importlib.import_module(f"syncfree.cli.{name}"), "RUNTIME", runtime)
    monkeypatch.setenv("COLUMNS", "400")  # nothing is wrapped
    load(made_up, torch)
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, (done.output, done.exception)
    assert SHOWN[form] in done.stdout


@pytest.mark.parametrize("adapter", SHIPPED, ids=lambda adapter: adapter.framework)
def test_what_we_say_of_torch_is_what_the_rule_table_says(adapter: Adapter) -> None:
    limited = {form.torch for binding in adapter.bindings for form in binding.forms if form.torch and form.status != "upstreamed"}
    assert limited <= {rule.torch for rule in RULES if rule.torch}


@pytest.mark.parametrize("adapter", SHIPPED, ids=lambda adapter: adapter.framework)
@pytest.mark.parametrize("torch", TESTED)
def test_one_of_our_forms_holds_with_every_torch(adapter: Adapter, torch: str) -> None:
    for binding in adapter.bindings:
        for form in binding.forms:
            same = [other.torch for other in binding.forms if other.releases == form.releases]
            assert [holds_with(releases, Version(torch)) for releases in same].count(True) == 1, (binding.label, same)
