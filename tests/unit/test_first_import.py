"""The first import of a framework in a process where ``syncfree.pth`` has run."""

from __future__ import annotations

from pathlib import Path

import pytest

from .first_import import FirstImport

UNMET = {"SYNCFREE_SCHEDULER_STEP": "sync_free"}
"""An explicit choice that the made-up package cannot meet: it has no scheduler."""


@pytest.fixture
def first(tmp_path: Path) -> FirstImport:
    return FirstImport(tmp_path)


def test_the_hooks_are_loaded_before_the_package_executes(first: FirstImport) -> None:
    first.add("diffusers/__init__.py", "import syncfree\nfound = syncfree.plan().loaded\n")
    assert first.says("import diffusers; print(diffusers.found)") == "('diffusers',)"


def test_looking_for_the_package_loads_nothing(first: FirstImport) -> None:
    program = """
    import importlib.util
    spec = importlib.util.find_spec("diffusers")
    print(spec.origin.endswith("__init__.py"), "syncfree" in sys.modules, "diffusers" in sys.modules)
    """
    assert first.says(program, **UNMET) == "True False False"


@pytest.mark.parametrize(("release", "loaded"), [("0.5.8", "('sglang-srt',)"), ("0.5.11", "()")])
def test_a_framework_without_a_package_to_execute_is_loaded_before_a_module_of_it(
    first: FirstImport, release: str, loaded: str
) -> None:
    """Unless its release runs our plugin itself. ``sglang.srt`` is a namespace package."""
    first.add(f"sglang-{release}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: sglang\nVersion: {release}\n")
    first.add("sglang/__init__.py", "")
    first.add("sglang/srt/layers/sampler.py", "import syncfree\nfound = syncfree.plan().loaded\n")
    done = first.run("import sglang.srt.layers.sampler as sampler; print(sampler.found)")
    assert (done.returncode, done.stdout.strip()) == (0, loaded), done.stderr


def test_the_package_keeps_its_own_loader(first: FirstImport) -> None:
    program = """
    import diffusers
    print(type(diffusers.__loader__).__name__, diffusers.__spec__.loader is diffusers.__loader__)
    """
    assert first.says(program) == "SourceFileLoader True"


def test_a_choice_that_cannot_be_met_is_raised_by_each_import_until_it_changes(first: FirstImport) -> None:
    program = """
    import importlib, os
    for attempt in range(3):
        try:
            importlib.import_module("diffusers")
        except ValueError as error:
            print(type(error).__name__, "diffusers" in sys.modules)
    del os.environ["SYNCFREE_SCHEDULER_STEP"]
    print(importlib.import_module("diffusers").executed)
    """
    done = first.run(program, **UNMET)
    assert done.stdout.splitlines() == ["SelectionError False"] * 3 + ["True"]
    assert done.stderr.count("syncfree: SYNCFREE_SCHEDULER_STEP asks for 'sync_free' of scheduler_step, which cannot be met") == 3


def test_a_probe_that_swallows_errors_does_not_swallow_a_choice_that_cannot_be_met(first: FirstImport) -> None:
    program = """
    import importlib.util
    try:
        importlib.util.find_spec("diffusers")
    except ValueError:
        pass
    import diffusers
    """
    done = first.run(program, **UNMET)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2].startswith("syncfree._errors.SelectionError: syncfree: SYNCFREE_SCHEDULER_STEP asks")


def test_doctor_prints_its_table_and_ends_with_1_where_a_choice_cannot_be_met(first: FirstImport) -> None:
    done = first.run("import sys; sys.argv = ['syncfree', 'doctor']; from syncfree.cli import main; main()", **UNMET)
    assert done.returncode == 1
    assert "diffusers 0.1" in done.stdout
    assert "cannot be met: SYNCFREE_SCHEDULER_STEP" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("syncfree/__init__.py", "def broken(:\n"),
        ("syncfree/__init__.py", "raise SystemExit(3)\n"),
        ("syncfree/__init__.py", "class E(BaseException):\n    def __str__(self): raise ValueError\nraise E\n"),
        ("packaging.py", "version = None\n"),
        ("pluggy.py", "raise RuntimeError('not that one')\n"),
    ],
    ids=["syntax", "exit", "unprintable", "packaging", "pluggy"],
)
def test_a_syncfree_that_cannot_be_imported_leaves_the_framework_alone_and_says_so_in_one_line(
    first: FirstImport, name: str, text: str
) -> None:
    first.add(name, text)
    done = first.run("import diffusers; print(diffusers.executed); import diffusers")
    assert (done.returncode, done.stdout) == (0, "True\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("syncfree: nothing of diffusers is bound: ")


def test_a_thread_that_plans_while_another_imports_does_not_hang(first: FirstImport) -> None:
    """The plan is discovering plugins when importlib asks for the framework; then both need importlib's locks."""
    first.add(
        "slow_plugin.py",
        """
        import syncfree, meeting
        meeting.discovering.set()
        assert meeting.asked.wait(30)
        import colorsys  # needs the global import lock

        @syncfree.hookimpl
        def postprocess(decoded):
            return NotImplemented
        """,
    )
    first.add("meeting.py", "import threading\ndiscovering, asked = threading.Event(), threading.Event()\n")
    first.add("slow-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n")
    first.add("slow-1.0.dist-info/entry_points.txt", "[syncfree]\nslow = slow_plugin\n")
    program = """
    import threading, meeting, syncfree

    class Asked:
        def find_spec(self, name, path=None, target=None):
            if name == "diffusers":
                meeting.asked.set()

    sys.meta_path.insert(0, Asked())
    planning = threading.Thread(target=syncfree.plan)
    planning.start()
    assert meeting.discovering.wait(30)
    import diffusers
    planning.join(30)
    print(planning.is_alive(), syncfree.plan().loaded, "colorsys" in sys.modules)
    """
    assert first.says(program) == "False ('diffusers',) True"


def test_a_framework_that_two_threads_import_and_one_loads_is_loaded_once(first: FirstImport) -> None:
    program = """
    import threading, syncfree
    barrier = threading.Barrier(3)
    def importing():
        barrier.wait(30)
        import diffusers
    def loading():
        barrier.wait(30)
        syncfree.load("diffusers")
    threads = [threading.Thread(target=what) for what in (importing, importing, loading)]
    for thread in threads: thread.start()
    for thread in threads: thread.join(60)
    plan = syncfree.plan()
    print(plan.loaded, len(plan.entries) == len({entry.targets for entry in plan}))
    """
    assert first.says(program) == "('diffusers',) True"


def test_a_fault_of_ours_while_loading_leaves_the_framework_alone_and_says_so_in_one_line(first: FirstImport) -> None:
    program = """
    from syncfree import _runtime

    def fail(*arguments):
        raise ZeroDivisionError("a fault of ours")

    _runtime.Runtime.load = fail
    import diffusers
    print(diffusers.executed)
    """
    done = first.run(program)
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert done.stderr == "syncfree: nothing of diffusers is bound: ZeroDivisionError: a fault of ours\n"


def test_a_choice_that_cannot_be_met_is_raised_where_nothing_can_be_logged(first: FirstImport) -> None:
    program = """
    import logging, os, syncfree

    class Raising(logging.Handler):
        def emit(self, record):
            raise RuntimeError("the disk of the log is full")

    logging.getLogger().addHandler(Raising())
    try:
        import diffusers
    except syncfree.SelectionError:
        print("raised")
    sys.stderr.close()
    try:
        import diffusers
    except syncfree.SelectionError:
        print("raised")
    """
    assert first.run(program, **UNMET).stdout.split() == ["raised", "raised"]
