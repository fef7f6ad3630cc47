"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

HEAD = """
import os, sys
import pytest
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = --strict-markers -p no:cacheprovider\n")
    return pytester


def run(project: pytest.Pytester, tests: str, *arguments: str) -> pytest.RunResult:
    project.makepyfile(test_it=HEAD + tests)
    return project.runpytest_subprocess(*arguments, timeout=120)


HONEST = """
@pytest.mark.sync_budget(0)
def test_honest():
    import torch
    x = torch.ones(3, device="cuda")
    assert (x * 2).sum().is_cuda
"""
LIAR = """
@pytest.mark.sync_budget(0)
def test_liar():
    import torch
    x = torch.ones(3, device="cuda")
    if x.sum() > 2:
        x.tolist()
"""


def test_code_without_syncs_passes_and_code_that_lies_fails(project: pytest.Pytester) -> None:
    result = run(project, HONEST + LIAR)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([
        "the host waited 2 times for the device, budget 0 (simulated back end)",
        "*1 x sync item       aten::_local_scalar_dense",
        "*at *test_it.py:* test_liar",
        "*if x.sum() > 2:",
        "*instead: *",
    ])  # fmt: skip


def test_plain_tests_of_the_same_run_are_untouched(project: pytest.Pytester) -> None:
    plain = """
PIDS = set()

def test_before():
    assert "torch" not in sys.modules
    PIDS.add(os.getpid())
""" + HONEST + """
def test_after():
    assert "torch" not in sys.modules
    assert PIDS == {os.getpid()}
    import torch
    assert not torch.cuda.is_available()
"""  # fmt: skip
    run(project, plain).assert_outcomes(passed=3)


def test_the_fixture_gives_a_live_report(project: pytest.Pytester) -> None:
    tests = """
def test_it(sync_audit):
    import torch
    x = torch.ones(3, device="cuda")
    assert sync_audit.count == 0
    x.tolist()
    assert [sync.kind.value for sync in sync_audit] == ["d2h"]
"""
    run(project, tests).assert_outcomes(passed=1)


def test_fixtures_are_not_audited_and_module_fixtures_are_made_once(project: pytest.Pytester) -> None:
    tests = """
@pytest.fixture(scope="module")
def weights():
    import torch
    x = torch.ones(3, device="cuda")
    assert x.tolist() == [1, 1, 1]
    MADE.append(1)
    return x

MADE = []

@pytest.mark.sync_budget(0)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_it(weights, n):
    assert (weights * n).is_cuda
    assert MADE == [1]
"""
    run(project, tests).assert_outcomes(passed=3)


def test_the_report_lists_audited_tests_with_their_sites(project: pytest.Pytester) -> None:
    tests = HONEST + """
@pytest.mark.sync_budget(5)
def test_some():
    import torch
    from syncfree.audit import allow
    x = torch.ones(3, device="cuda")
    x.tolist()
    with allow("wanted"):
        x.cpu()
"""  # fmt: skip
    result = run(project, tests, "--sync-report")
    result.stdout.fnmatch_lines([
        "*= host syncs =*",
        "*0 hard *0 soft *0 allowed, budget 0, simulated: test_it.py::test_honest",
        "*1 hard *0 soft *1 allowed, budget 5, simulated: test_it.py::test_some",
        "*1 x d2h aten::copy_ at *test_it.py:* test_some",
    ])  # fmt: skip


def test_the_report_says_when_nothing_was_audited(project: pytest.Pytester) -> None:
    result = run(project, "def test_plain(): pass", "--sync-report")
    result.stdout.fnmatch_lines(["*no audited test ran*"])


@pytest.mark.parametrize("marker", ["", "()", "(-1)", "('0')", "(True)", "(0, posion=True)"])
def test_a_wrong_marker_is_an_error_that_names_the_test(project: pytest.Pytester, marker: str) -> None:
    result = run(project, f"@pytest.mark.sync_budget{marker}\ndef test_it(): pass")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*@pytest.mark.sync_budget(n, poison=False) of test_it.py::test_it: *"])


def test_poison_shows_a_race(project: pytest.Pytester) -> None:
    tests = """
@pytest.mark.sync_budget(0, poison=True)
def test_reads_too_early():
    import torch
    found = torch.ones(3, device="cuda").to("cpu", non_blocking=True)
    assert found[0] == 1
"""
    run(project, tests).assert_outcomes(failed=1)


def test_a_crash_fails_its_test_alone(project: pytest.Pytester) -> None:
    tests = "@pytest.mark.sync_budget(0)\ndef test_crash(): os._exit(7)\n" + HONEST
    result = run(project, tests)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["the audit process ended with status 7 while this test ran"])


def test_what_is_refused_fails_with_its_sentence(project: pytest.Pytester) -> None:
    package = project.mkpydir("torch")
    package.joinpath("version.py").write_text("cuda: str | None = None\n")
    package.joinpath("__init__.py").write_text(
        "__version__ = '1.0'\nfrom types import SimpleNamespace as S\nversion = S(cuda=None, hip=None)\n"
        "cuda = S(is_available=lambda: False)\n"
    )
    result = project.runpytest_subprocess(
        project.makepyfile(HONEST.replace("@pytest", "import pytest\n@pytest", 1)), "-p", "no:doctest"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*uses parts of torch that 1.0 does not have*"])


def test_a_module_that_cannot_be_collected_on_the_device_fails_its_tests(project: pytest.Pytester) -> None:
    tests = "import torch\nassert not torch.cuda.is_available()\n" + HONEST
    result = run(project, tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["the audit process could not collect *", "*AssertionError*"])


def test_exit_first_stops_at_an_audited_failure(project: pytest.Pytester) -> None:
    result = run(project, LIAR + HONEST, "-x")
    result.assert_outcomes(failed=1)


def test_audited_and_plain_tests_have_temporary_folders_of_their_own(project: pytest.Pytester) -> None:
    tests = """
import pytest

@pytest.mark.sync_budget(0)
def test_audited(tmp_path): (tmp_path / "audited").touch()

def test_plain(tmp_path): (tmp_path / "plain").touch()
"""
    run(project, tests, f"--basetemp={project.path / 'folders'}").assert_outcomes(passed=2)
    assert {path.name for path in project.path.glob("folders*/*/*")} == {"audited", "plain"}


def test_teardown_errors_and_output_come_back(project: pytest.Pytester) -> None:
    tests = """
@pytest.fixture
def broken():
    print("made here")
    yield
    raise RuntimeError("torn down badly")

@pytest.mark.sync_budget(0)
def test_it(broken):
    print("said here")
    assert 0
"""
    result = run(project, tests)
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*said here*", "*torn down badly*"])


def test_selected_parametrized_ids_and_unittest_methods_run(project: pytest.Pytester) -> None:
    tests = """
import unittest

@pytest.mark.sync_budget(0)
@pytest.mark.parametrize("text", ["a::b", "c[d]", "e f"])
def test_ids(text):
    import torch
    assert torch.cuda.is_available()

class TestOld(unittest.TestCase):
    @pytest.mark.sync_budget(0)
    def test_method(self):
        import torch
        torch.ones(2, device="cuda").sum().item()
"""
    run(project, tests).assert_outcomes(passed=3, failed=1)


def test_junit_xml_holds_the_audited_tests(project: pytest.Pytester) -> None:
    run(project, HONEST, "--junitxml=result.xml").assert_outcomes(passed=1)
    assert "test_honest" in (project.path / "result.xml").read_text()


STRICT = """[pytest]
filterwarnings = error
addopts = --strict-markers --strict-config -p no:cacheprovider
console_output_style = count
verbosity_assertions = 2
"""


def test_warnings_that_are_errors_and_a_strict_configuration_do_not_end_the_audit_process(pytester: pytest.Pytester) -> None:
    """A distribution that brings a pytest plugin and holds our package, as our wheel does, has pytest rewrite its modules."""
    pytester.makeini(STRICT)
    info = pytester.mkdir("neighbour-1.dist-info")
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: neighbour\nVersion: 1\n")
    info.joinpath("entry_points.txt").write_text("[pytest11]\nneighbour = json\n")
    info.joinpath("RECORD").write_text("syncfree/__init__.py,,\nsyncfree/audit/__init__.py,,\n")
    pytester.syspathinsert()
    run(pytester, HONEST + LIAR).assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("option", ["-Werror", "-Wignore", "-Werror::pytest.PytestAssertRewriteWarning"])
def test_filters_of_the_command_line_do_not_end_the_audit_process(pytester: pytest.Pytester, option: str) -> None:
    run(pytester, HONEST, option).assert_outcomes(passed=1)


def test_filters_hold_for_audited_tests(project: pytest.Pytester) -> None:
    tests = HONEST.replace("import torch", "import warnings; warnings.warn('mine', stacklevel=1)")
    result = run(project, tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UserWarning: mine*"])
