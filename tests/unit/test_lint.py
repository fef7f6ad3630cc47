"""``syncfree lint``: what is found in source code, and what is not."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from syncfree.audit._rules import named
from syncfree.cli._app import app
from syncfree.lint import CODES, LintError, Settings, check_file, check_source
from syncfree.lint._settings import read

ROOT = Path(__file__).parents[2]
EVERYWHERE = {
    "SF101": [
        "torch.from_numpy(rows).to(device, non_blocking=True)",
        "torch.tensor(rows).cuda(non_blocking=True)",
        "host = torch.zeros(4)\nhost.to(self.device, non_blocking=True)",
        "host = torch.tensor(rows, device='cpu')\nx.copy_(host[:2], non_blocking=True)",
        "host = torch.empty(4).pin_memory()\n(host + 1).to('cuda', non_blocking=True)",
    ],
    "SF102": ["host = torch.empty(4)\nhost.copy_(x, non_blocking=True)"],
    "SF103": [
        "host = torch.empty(4, pin_memory=True)\nx.copy_(host, non_blocking=True)\nhost.fill_(2)",
        "host = torch.empty(4, pin_memory=True)\nx.copy_(host, non_blocking=True)\nhost[0] = 2",
        "host = torch.empty(4, pin_memory=True)\nview = host.numpy()\nx.copy_(host, non_blocking=True)\nview[0] = 2",
        "host = torch.empty(4, pin_memory=True)\nfor row in rows:\n    host[0] = row\n    x.copy_(host, non_blocking=True)",
    ],
    "SF104": [
        "x.to('cpu', non_blocking=True).tolist()",
        "host = x.to('cpu', non_blocking=True)\nreturn host.numpy().tolist()",
        "host = torch.empty(4, pin_memory=True)\nhost.copy_(x, non_blocking=True)\nreturn int(host[0])",
    ],
}
HOT = {
    "SF201": ["return x.item()", "return (x == y).sum().item()", "return float(x)"],
    "SF202": ["return x.tolist()", "return x.cpu()", "return x.to('cpu')"],
    "SF203": [
        "return torch.tensor(rows, device=x.device)",
        "return torch.as_tensor([1, 2], device='cuda')",
        "return x.new_tensor([1, 2])",
    ],
    "SF204": [
        "return torch.zeros(4).to(x.device)",
        "return torch.zeros(4, pin_memory=True).cuda()",
        "return rows_cpu.to(device=device)",
        "return torch.cat([torch.zeros(2), torch.ones(2)]).to(x.device)",
    ],
    "SF205": ["return x.nonzero()", "return torch.unique(x)", "return torch.where(x)", "return torch.masked_select(x, y)"],
    "SF206": ["return x[x > 0]", "mask = x > 0\nreturn y[mask]", "mask = (x > 0) & ~(y > 1)\ny[mask] = x"],
    "SF207": [
        "if x.any():\n    return 1",
        "while x > 0:\n    x = x - 1",
        "return bool(x)",
        "return not x",
        "return f'{x}'",
        "return 1 if (x == y).all() else 2",
        "for i in range(x):\n    pass",
    ],
    "SF208": ["torch.cuda.synchronize()", "event.synchronize()", "torch.cuda.current_stream().synchronize()"],
    "SF209": ["return torch.linalg.solve(x, y)"],
    "SF210": ["return torch.linalg.svd(x)"],
    "SF211": ["return torch.repeat_interleave(x, y)", "return x.repeat_interleave(y)"],
    "SF212": ["return x[[0, 2]]", "index = torch.tensor(rows)\nreturn x[index]"],
    "SF213": ["index = torch.arange(4, device='cuda')\nx[index] = 1", "x[y] = 0"],
    "SF214": ["return torch.equal(x, y)"],
    "SF215": ["return torch.allclose(x, y)"],
}
RIGHT = [
    "torch.tensor(rows, pin_memory=True).to(device, non_blocking=True)",
    "torch.tensor(rows, pin_memory=x.is_cuda).to(device, non_blocking=True)",
    "torch.from_numpy(rows).pin_memory().to(device, non_blocking=True)",
    "torch.zeros(4).to('cpu', non_blocking=True)",
    "torch.zeros(4).to(torch.float32, non_blocking=True)",
    "torch.zeros(4, device=device).to('cuda', non_blocking=True)",
    "host = torch.empty(4, pin_memory=True)\nx.copy_(host, non_blocking=True)\nevent.synchronize()\nhost.fill_(2)",
    "for row in rows:\n    host = torch.tensor(row, pin_memory=True)\n    x.copy_(host, non_blocking=True)",
    "host = x.to('cpu', non_blocking=True)\nevent.record()\nevent.synchronize()\nreturn host.tolist()",
    "host = x.to('cpu', non_blocking=True)\nreturn host.numpy()",
    "x.copy_(y, non_blocking=True)",
    "x[:2].copy_(rows_cpu[:2], non_blocking=True)",
    "if y is None:\n    return x",
    "return x[0], x[1:3], x[..., None], x[rows_cpu]",
    "x[x > 0] = 0",
    "return torch.where(x > 0, x, y)",
    "return torch.full((2,), 3, device=x.device)",
    "return torch.tensor([], device=x.device)",
    "return torch.tensor(rows, device='cpu')",
    "return torch.tensor(rows, device=torch.device('cpu')).tolist()",
    "return x.repeat_interleave(2)",
    "return x.repeat_interleave(y, output_size=8)",
    "return rows_np.tolist()",
    "return [int(row) for row in rows]",
    "return f'{x.shape}', len(x), x.numel(), bool(x.is_cuda)",
    "return int(count), float(count)",
    "for element in x:\n    y = y + element\nreturn y",
    "return np.unique(rows_np), np.flatnonzero(rows_np).tolist()",
    "return torch.linalg.solve_ex(x, y)",
    "return torch.arange(4).tolist()",
]


def function(body: str, hot: bool) -> str:
    mark = "  # syncfree: hot" if hot else ""
    parameters = "x: torch.Tensor, y: torch.Tensor, rows: list[int], count: int, event"
    head = f"import numpy as np\nimport torch\n\ndef work(self, {parameters}):{mark}\n"
    return head + "".join(f"    {line}\n" for line in body.split("\n"))


def codes(source: str, **settings: tuple[str, ...]) -> list[str]:
    return [one.code for one in check_source(dedent(source), module="package.module", settings=Settings(**settings))]


def of(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(code, body) for code, bodies in table.items() for body in bodies]


@pytest.mark.parametrize(("code", "body"), of(EVERYWHERE))
def test_what_is_wrong_everywhere_is_found_in_a_function_that_is_not_hot(code: str, body: str) -> None:
    assert codes(function(body, hot=False)) == [code]


@pytest.mark.parametrize(("code", "body"), of(HOT))
def test_what_waits_is_found_in_hot_functions_only(code: str, body: str) -> None:
    assert set(codes(function(body, hot=True))) == {code}
    assert codes(function(body, hot=False)) == []


@pytest.mark.parametrize("body", RIGHT)
def test_what_does_not_wait_is_not_found_in_a_hot_function(body: str) -> None:
    waited_for = ["SF208"] * body.count(".synchronize()")
    assert codes(function(body, hot=True)) == waited_for


@pytest.mark.parametrize("code", [code for code in CODES if code != "SF001"])
def test_every_code_has_an_example_that_is_found(code: str) -> None:
    assert (HOT if CODES[code].hot else EVERYWHERE)[code]


def test_reasons_and_replacements_of_waits_are_the_auditors() -> None:
    for code in CODES.values():
        if code.code not in ("SF001", "SF103", "SF104"):
            assert code.replacement == named(code.name).replacement


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.code)
def test_a_reason_is_one_line(code: object) -> None:
    assert "\n" not in code.reason + code.replacement  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "head",
    [
        "def work(x):  # syncfree: hot",
        "async def work(x):  # syncfree: hot",
        "def work(\n    x,\n):  # syncfree: hot",
        "@syncfree.hookimpl\ndef work(x):",
        "@syncfree.hookimpl(exact=True)\ndef work(x):",
    ],
)
def test_a_comment_or_a_decorator_marks_a_function_and_those_inside_of_it(head: str) -> None:
    assert codes(f"{head}\n    def inner():\n        return x.item()\n    return inner\n") == ["SF201"]


@pytest.mark.parametrize("pattern", ["package.module:Class.work", "package.*:*.work", "package.module:*", "*"])
def test_a_pattern_marks_a_function(pattern: str) -> None:
    source = "class Class:\n    def work(self, x):\n        return x.item()\n"
    assert codes(source, hot=(pattern,)) == ["SF201"]
    assert codes(source, hot=("other.module:*",)) == []


def test_what_other_methods_leave_in_an_attribute_is_known() -> None:
    source = """
    import torch
    class Scheduler:
        def __init__(self):
            self.sigmas = torch.linspace(0, 1, 10)
        def set_timesteps(self, device):
            self.sigmas = (self.sigmas * 2).to("cpu")
            self.timesteps = torch.arange(10).to(device)
        def step(self, i, sample):  # syncfree: hot
            if self.timesteps[0] > 3:
                return self.sigmas.tolist()
            return self.sigmas[i].to(sample.device)
    """
    assert codes(source) == ["SF207", "SF204"]


@pytest.mark.parametrize("default", ["torch.set_default_device('cuda')", "with torch.device('cuda'):\n    pass"])
def test_a_default_device_puts_tensors_where_nobody_knows(default: str) -> None:
    assert codes(f"import torch\n{default}\n" + function("torch.zeros(4).to(device, non_blocking=True)", hot=False)) == []


def test_what_holds_in_one_branch_only_is_not_known() -> None:
    body = "if count:\n    host = torch.zeros(4)\nelse:\n    host = y\nhost.to(device, non_blocking=True)"
    assert codes(function(body, hot=False)) == []


@pytest.mark.parametrize("comment", ["# noqa", "# noqa: SF201", "# noqa: E501, SF201 read once", "# NOQA:SF201"])
def test_a_comment_on_a_line_of_the_expression_suppresses(comment: str) -> None:
    assert codes(function(f"return x.item()  {comment}", hot=True)) == []
    assert codes(function(f"return torch.tensor(  {comment.replace('SF201', 'SF203')}\n    rows, device='cuda')", hot=True)) == []


def test_a_comment_suppresses_no_other_code() -> None:
    assert codes(function("return x.item()  # noqa: SF202", hot=True)) == ["SF201"]


def test_a_code_in_a_comment_that_does_not_exist_is_found() -> None:
    assert codes(function("return x  # noqa: SF999", hot=False)) == ["SF001"]


def test_ignored_codes_are_not_reported() -> None:
    assert codes(function("return x.item()", hot=True), ignore=("SF201",)) == []


def test_an_unknown_code_to_ignore_names_the_nearest() -> None:
    with pytest.raises(LintError, match=r"unknown code 'sf201'; did you mean 'SF201'\?"):
        Settings(ignore=("sf201",))


def test_the_table_of_pyproject_is_read_and_its_mistakes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[tool.syncfree.lint]\nhot = ["a.b:*"]\nhot-decorators = ["fast"]\nignore = ["SF208"]\nexclude = ["old"]\n')
    found = read(file)
    assert (found.hot, found.ignore, found.exclude) == (("a.b:*",), ("SF208",), ("old",))
    assert "fast" in found.hot_decorators
    for text, message in [("hott = []", r"unknown key 'hott'; did you mean 'hot'\?"), ("hot = 'x'", "hot must be a list of strings")]:
        file.write_text(f"[tool.syncfree.lint]\n{text}\n")
        with pytest.raises(LintError, match=message):
            read(file)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with one hot function that waits."""
    package = tmp_path / "acme"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "step.py").write_text(function("return x.item()", hot=False))
    (tmp_path / "pyproject.toml").write_text('[tool.syncfree.lint]\nhot = ["acme.step:work"]\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def says(*arguments: str, status: int) -> str:
    done = CliRunner().invoke(app, ["lint", *arguments], env={"COLUMNS": "80"})
    assert done.exit_code == status, (done.output, done.exception)
    return done.output


def test_the_command_prints_place_reason_and_replacement_in_80_columns(project: Path) -> None:
    text = says("acme", status=1)
    assert text.startswith("acme/step.py:5:12: SF201 item\n    return x.item()\n  why: ")
    assert max(map(len, text.splitlines())) <= 80
    assert text.endswith("1 found in 2 files\n")


def test_nothing_found_is_status_0(project: Path) -> None:
    assert says("acme/__init__.py", status=0) == "nothing found in 1 file\n"


def test_json_has_all_of_a_finding(project: Path) -> None:
    (found,) = json.loads(says("--json", status=1))
    assert (found["file"], found["line"], found["code"], found["function"]) == ("acme/step.py", 5, "SF201", "work")
    assert found["replacement"] == CODES["SF201"].replacement


def test_annotations_are_those_of_github(project: Path) -> None:
    assert says("--github", status=1).startswith("::error file=acme/step.py,line=5,title=SF201 item::")


def test_a_file_that_cannot_be_parsed_is_status_2_and_the_others_are_checked(project: Path) -> None:
    (project / "acme" / "broken.py").write_text("def :\n")
    text = says("acme", status=2)
    assert "acme/broken.py:1 cannot be checked: invalid syntax\n" in text
    assert "1 found in 2 files; 1 could not be checked\n" in text
    assert "SF201" in text


def test_an_excluded_folder_is_not_checked_even_where_it_is_named(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.syncfree.lint]\nhot = ["*"]\nexclude = ["acme"]\n')
    assert says("acme", "acme/step.py", status=0).startswith("nothing was checked: ")


def test_what_is_no_file_in_a_folder_is_not_read(project: Path) -> None:
    os.mkfifo(project / "acme" / "fifo.py")  # opening it waits for a writer
    (project / "acme" / "folder.py").mkdir()
    (project / "acme" / "folder.py" / "inside.py").write_text("")
    hidden = project / "acme" / ".hidden"
    hidden.mkdir()
    (hidden / "broken.py").write_text("def :")
    assert "1 found in 3 files\n" in says("acme", status=1)


def test_a_link_to_nothing_in_a_folder_could_not_be_checked(project: Path) -> None:
    (project / "acme" / "gone.py").symlink_to("nowhere")
    assert "acme/gone.py cannot be checked: No such file or directory\n" in says("acme", status=2)


def test_a_folder_that_cannot_be_read_could_not_be_checked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "acme" / "closed").mkdir()
    scandir = os.scandir

    def refuses(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuses)
    assert "acme/closed cannot be checked: " in says("acme", status=2)


def test_a_path_that_does_not_exist_is_an_error(project: Path) -> None:
    with pytest.raises(LintError, match="nowhere does not exist"):
        CliRunner().invoke(app, ["lint", "nowhere"], catch_exceptions=False)


def test_every_code_is_in_the_table_that_is_printed() -> None:
    assert all(code in says("--codes", status=0) for code in CODES)


def test_checking_imports_no_torch() -> None:
    program = "import sys; from syncfree.lint import check_source; check_source('x = 1'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("folder", ["plugins", "adapters"])
def test_our_own_code_has_none_everywhere(folder: str) -> None:
    """Plugins and adapters are what replaces code that waits."""
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    assert [finding for file in files for finding in check_file(file)] == []


def test_pre_commit_runs_the_command() -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    assert "id: syncfree-lint\n" in text
    assert "entry: syncfree lint\n" in text


def test_the_page_has_every_code() -> None:
    page = (ROOT / "docs" / "lint.md").read_text("utf-8")
    assert all(f"| {code.code} | {code.found} |" in page for code in CODES.values())
