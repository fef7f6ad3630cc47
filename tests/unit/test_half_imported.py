"""What is asked of a module that is still being imported is answered as not there yet."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from syncfree._hook import NEEDS
from syncfree._modules import fully_imported, importing_behind, is_importing
from syncfree._needs import NEED_CHECKS
from syncfree._process_group import current_rank, rank_count


def half(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module whose code is still running, as importlib has it."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    vars(module.__spec__)["_initializing"] = True
    monkeypatch.setitem(sys.modules, name, module)
    return module


def test_there_is_no_rank_while_torch_is_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    half("torch.distributed", monkeypatch)
    assert current_rank() is None
    assert rank_count() == 1


@pytest.mark.parametrize("need", ["torch", "cuda", "triton"])
def test_a_need_is_not_met_by_what_is_being_imported(need: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "triton"):
        half(name, monkeypatch)
    assert NEED_CHECKS[need]() is False


def test_a_module_counts_when_its_code_has_run(monkeypatch: pytest.MonkeyPatch) -> None:
    module = half("made_up_half", monkeypatch)
    assert is_importing(module)
    assert fully_imported("made_up_half") is None
    assert fully_imported("made_up_absent") is None
    vars(module.__spec__)["_initializing"] = False
    assert fully_imported("made_up_half") is module


def test_a_lazy_module_is_not_imported_by_the_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "made_up_lazy.py"
    file.write_text("print('imported')")
    loader = importlib.util.LazyLoader(SourceFileLoader("made_up_lazy", str(file)))
    spec = importlib.util.spec_from_loader("made_up_lazy", loader)
    assert spec is not None
    lazy = importlib.util.module_from_spec(spec)
    loader.exec_module(lazy)
    monkeypatch.setitem(sys.modules, "made_up_lazy", lazy)
    before = type(lazy)
    assert fully_imported("made_up_lazy") is lazy
    assert type(lazy) is before is not ModuleType


@pytest.mark.parametrize("error", [RuntimeError(), ImportError("x", name="json"), AttributeError("x"), ImportError("x")])
def test_an_error_of_what_has_been_imported_has_nothing_behind_it(error: Exception) -> None:
    error.__cause__ = error.__context__ = error
    assert importing_behind(error) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("torch/__init__.py", "raise OSError('libcudnn.so.9 is missing')"),
        ("torch/__init__.py", "raise SystemExit(3)"),
        ("torch/__init__.py", ""),
        ("torch/__init__.py", "import sys; del sys.modules[__name__]"),
        ("sitecustomize.py", "import sys; sys.modules['torch'] = type(sys)('torch')"),
        ("sitecustomize.py", "import sys; sys.modules['torch'] = None"),
        (
            "sitecustomize.py",
            """
            import sys
            class Finder:
                def find_spec(self, name, path=None, target=None):
                    if name == "torch": raise SystemExit(3)
            sys.meta_path.insert(0, Finder())
            """,
        ),
    ],
    ids=["library", "exit", "empty", "removed", "no spec", "blocked", "finder"],
)
def test_a_torch_that_is_broken_has_no_cuda(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(textwrap.dedent(text))
    assert says(tmp_path, "from syncfree._needs import NEED_CHECKS; print(NEED_CHECKS['cuda']())") == "False"


def says(folder: Path, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_a_thread_that_plans_while_another_imports_torch_sees_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "torch" / "distributed").mkdir(parents=True)
    (tmp_path / "torch" / "__init__.py").write_text("from . import distributed\n")
    (tmp_path / "torch" / "distributed" / "__init__.py").write_text(
        "def is_available(): return True\n"
        "import meeting; meeting.half.set(); assert meeting.go.wait(60)\n"
        "def is_initialized(): return True\n"
        "def get_rank(): return 1\n"
        "def get_world_size(): return 2\n"
    )
    (tmp_path / "meeting.py").write_text("import threading\nhalf, go = threading.Event(), threading.Event()\n")
    program = """
    import threading, meeting, syncfree
    from syncfree._needs import NEED_CHECKS
    thread = threading.Thread(target=__import__, args=("torch",))
    thread.start()
    assert meeting.half.wait(60)
    print(syncfree.plan().rank, [need for need, check in NEED_CHECKS.items() if need != 'triton' and check()])
    meeting.go.set()
    thread.join(60)
    print(syncfree.plan().rank)
    """
    assert says(tmp_path, program).splitlines() == ["None ['one_node', 'shared_memory']", "Rank(index=1, size=2)"]


def test_every_need_has_its_check() -> None:
    assert set(NEEDS) == set(NEED_CHECKS)
