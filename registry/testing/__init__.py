"""The test kit for plugins: check an implementation against its hook's contract and its own declarations.

    from syncfree.testing import check_implementation

    def test_my_scheduler_step():
        check_implementation("scheduler_step", "acme.steps:scheduler_step")

It needs the extra ``test`` and torch.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from hypothesis import given, settings

from .._difference import difference
from .._errors import SelectionError, attributed_to, nearest, unknown_hook
from .._hook import Hook, declaration_of
from .._plugins import Implementation, check_signature, describe
from ..hooks import HOOKS
from ._copies import Mover, copied, in_pinned_memory
from ._replay import check_replayed, default_device

__all__ = ["check_implementation"]

AUDIT_TIMEOUT_S = 600


def check_implementation(
    hook: str,
    implementation: str | Callable[..., Any],
    *,
    examples: int = 50,
    audited: bool = True,
    replay: str | os.PathLike[str] | None = None,
    device: str | None = None,
) -> None:
    """Call an implementation and the hook's reference with generated arguments, and compare.

    Results must have the same types, dtypes, shapes and devices, and values that are bitwise equal if the implementation
    declares ``exact``, else within the hook's tolerance; NaN equals NaN. The same holds for the arguments that a call changes
    by contract (`Hook.writes`). The arguments of a pure hook, and of a declined call, must be unchanged. An implementation may
    decline some calls, but not all that the reference accepts.

    If it declares ``host_syncs``, the same is done again in a separate process on `syncfree.audit`'s simulated device, and no
    call may make the host wait more often. A lockstep hook is called in the default process group, or else in a group of one
    rank, and audited in a group with no-op collectives (the host does not wait for NCCL's either), where results are not
    compared. None of this tests the exchange between ranks: do that in real processes.

    Args:
        hook: the hook's name.
        implementation: a plugin's name, ``"package.module:function"``, or the function.
        examples: how many calls to generate.
        audited: False skips the check on the simulated device.
        replay: a folder of recorded calls, from ``syncfree record``, to use in place of generated ones. Nothing is audited.
        device: where tensors go that were recorded on a GPU; by default to a GPU if there is one, else to the CPU.

    Raises:
        AssertionError: a wrong call, minimized: hook, plugin, arguments, both results.
        SelectionError: no such hook or plugin, or its needs are not met here.
        PluginError: it cannot be imported, or its signature is not the contract's.
        RecordingError: the recording cannot be read, or the implementation calls a function argument as no recorded call did.
        AuditError: the simulated device does not support this torch or platform.
        ValueError: another process cannot import the function to audit it; pass its path, or ``audited=False``.
    """
    if hook not in HOOKS:
        raise SelectionError(f"syncfree: {unknown_hook(hook, HOOKS)}")
    found = _find(HOOKS[hook], implementation)
    if found.missing():
        raise SelectionError(f"syncfree: {_described(found)} needs {', '.join(found.missing())}, which this process lacks")
    if replay is not None:
        check_signature(found.hook, found.function(), describe(found.plugin, found.distribution))
        tolerance = None if found.declaration.exact else found.hook.tolerance
        on = device or default_device()
        check_replayed(_described(found), found.hook, found.function(), tolerance, os.fspath(replay), on)
        return
    with _group_of_one() if HOOKS[hook].lockstep else nullcontext():
        _check(found, examples, None)
    if audited and found.declaration.host_syncs is not None:
        _check_audited(found, examples)


def _described(found: Implementation) -> str:
    """Return an implementation, for messages."""
    return f"{found.hook.name} of plugin {describe(found.plugin, found.distribution)}"


def _find(hook: Hook, wanted: str | Callable[..., Any]) -> Implementation:
    if callable(wanted):
        name = f"{wanted.__module__}:{wanted.__qualname__}"
        return Implementation(hook, name, None, declaration_of(wanted), wanted)
    if ":" in wanted:
        return _find(hook, _imported(wanted))
    from .._runtime import RUNTIME

    plugins = RUNTIME.plugins().implementations.get(hook.name, {})
    if wanted not in plugins:
        raise SelectionError(f"syncfree: {wanted!r} does not implement {hook.name}{nearest(wanted, plugins)}")
    return plugins[wanted]


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    with attributed_to(f"{path!r} cannot be imported"):
        value: Any = importlib.import_module(module)
        for part in name.split("."):
            value = getattr(value, part)
    return value


def _check(found: Implementation, examples: int, audited_calls: int | None) -> None:
    """Compare on the CPU; on the simulated device within a budget of syncs per call when ``audited_calls`` is given."""
    from ..audit import SyncBudgetExceeded, allow, audit

    hook, function = found.hook, found.function()
    check_signature(hook, function, describe(found.plugin, found.distribution))
    tolerance = None if found.declaration.exact else hook.tolerance
    answered = accepted = 0

    def upload(move: Callable[[], Any]) -> Any:
        with allow("the test kit moves the result of an argument's function to the device"):
            return move()

    def fresh(arguments: dict[str, Any]) -> dict[str, Any]:
        own = copied(arguments)
        if audited_calls is None:
            return own
        move = Mover("cuda:0", upload)
        own.update({name: in_pinned_memory(own[name]) for name in hook.pinned})
        return {name: value if name in hook.on_host else move(value) for name, value in own.items()}

    @settings(max_examples=examples, deadline=None, database=None, report_multiple_bugs=False)
    @given(hook.inputs())
    def compare(arguments: dict[str, Any]) -> None:
        nonlocal answered, accepted
        before, own_arguments, reference_arguments = fresh(arguments), fresh(arguments), fresh(arguments)

        def fail(problem: str, *results: Any) -> None:
            shown = "\n  ".join(f"{name} = {value!r}" for name, value in before.items())
            named = zip(("implementation", "reference"), results, strict=False)
            lines = "".join(f"\n{name} returned {value!r}" for name, value in named)
            raise AssertionError(f"{_described(found)}: {problem}\narguments:\n  {shown}{lines}")

        try:
            with nullcontext() if audited_calls is None else audit(audited_calls):
                result = function(**own_arguments)
        except SyncBudgetExceeded as error:
            fail(f"one call makes the host wait more often than the declared {audited_calls} times: {error}")
        except Exception as error:  # noqa: BLE001 - any exception that the reference does not raise is the finding
            hook.reference(**reference_arguments)
            try:
                fail(f"raised {type(error).__name__}: {error}, where the reference does not")
            except AssertionError as failure:
                raise failure from error
        if hook.lockstep and audited_calls is not None:
            answered += result is not NotImplemented
            accepted += 1
            return
        expected = hook.reference(**reference_arguments)
        accepted += expected is not NotImplemented
        if hook.pure or result is NotImplemented:
            changed = difference(own_arguments, before, None, "an argument, by name,")
            if changed:
                fail(f"changed its arguments: {changed}", result, expected)
        if result is NotImplemented:
            return
        answered += 1
        different = difference(result, expected, tolerance)
        for name in hook.writes:
            different = different or difference(own_arguments[name], reference_arguments[name], tolerance, f"argument {name!r} afterwards")
        if different:
            fail(f"does not return what the reference returns: {different}", result, expected)

    compare()
    if accepted and not answered:
        raise AssertionError(f"{_described(found)}: declined all of {accepted} generated calls; nothing could be compared")


def check_audited_here(found: Implementation, examples: int) -> None:
    """Audit an implementation in this process, in which the simulated device is installed."""
    with _group_without_exchange() if found.hook.lockstep else nullcontext():
        _check(found, examples, found.declaration.host_syncs)


@contextmanager
def _group_without_exchange() -> Iterator[None]:
    """Hold a default process group that accepts device tensors and has no-op collectives."""
    import torch.distributed as dist
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def _group_of_one() -> Iterator[None]:
    """Hold a default process group of one rank, unless one exists."""
    import torch.distributed as dist
    from torch._C._distributed_c10d import HashStore

    if dist.is_initialized():
        yield
        return
    dist.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


def _check_audited(found: Implementation, examples: int) -> None:
    """Run `check_audited_here` in a new process, because the simulated device is process-wide and cannot be removed."""
    from ..audit import AuditError

    path = found.declaration.implementation or f"{found.marked.__module__}:{found.marked.__qualname__}"
    if "<locals>" in path or path.startswith("__main__:"):
        raise ValueError(
            f"{path} cannot be imported by the process that audits it: move it to a module, or pass audited=False"
        )
    declared = found.declaration
    order = [found.hook.name, path, found.plugin, found.distribution, declared.exact, declared.host_syncs, examples]
    done = subprocess.run(
        [sys.executable, "-c", "from syncfree.testing import _serve; _serve()", json.dumps(order)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=AUDIT_TIMEOUT_S,
        check=False,
    )
    kind, _, message = done.stdout.rpartition("\0")[0].rpartition("\0")[2].partition(":")
    if kind == "refused":
        raise AuditError(message)
    if kind == "wrong":
        raise AssertionError(f"on the simulated device, {message}")
    if kind != "right":
        raise RuntimeError(f"the process that audits {_described(found)} ended with {done.returncode}:\n{done.stderr}")


def _serve() -> None:
    """Run the check in the new process; print its result between two NUL characters."""
    from .._hook import Declaration
    from ..audit import AuditError, simulated

    hook, path, plugin, distribution, exact, host_syncs, examples = json.loads(sys.argv[1])
    try:
        simulated.install()
    except AuditError as error:
        sys.stdout.write(f"\0refused:{error}\0")
        return
    function = _imported(path)
    found = Implementation(HOOKS[hook], plugin, distribution, Declaration(exact, host_syncs), function)
    try:
        check_audited_here(found, examples)
    except AssertionError as error:
        sys.stdout.write(f"\0wrong:{error}\0")
    else:
        sys.stdout.write("\0right:\0")
