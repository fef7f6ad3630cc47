"""The cost of reaching an implementation, in one run: ``make bench``.

All rows call the same implementation on the same arguments. *direct* is the adapter's replacement called by itself, so the
difference to *bound hook* is what the slot adds: two calls and a count. SGLang's row needs SGLang 0.5.21 or newer.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import types
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns
from typing import Any

import pluggy

from syncfree import hookimpl, hookspec
from syncfree._hook import Hook, Tolerance, declaration_of
from syncfree._plugins import Implementation
from syncfree._slot import Slot

CALLS = 20_000
GOAL_NS = 150


@hookspec
def work(a: int, b: int, c: int) -> int:
    """Nothing, three arguments wide."""
    raise NotImplementedError


@hookimpl(exact=True)
def implementation(a: int, b: int, c: int) -> int:
    return a


def upstream(a: int, b: int, c: int) -> int:
    return a


def compose(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(a: int, b: int, c: int) -> Any:
        return mine(a, b, c)

    return replacement


def bound_hook() -> Callable[..., Any]:
    slot = Slot(upstream, compose)
    hook = Hook("work", work, upstream, lambda: None, Tolerance(0, 0, "integers"), "nothing")
    slot.prepare(Implementation(hook, "mine", None, declaration_of(implementation), implementation))()
    return slot.bound


def wrapt_wrapper() -> Callable[..., Any]:
    import wrapt

    direct = compose(implementation, upstream)
    return wrapt.FunctionWrapper(upstream, lambda wrapped, instance, args, kwargs: direct(*args, **kwargs))  # type: ignore[no-any-return]


def pluggy_firstresult() -> Callable[..., Any]:
    manager = pluggy.PluginManager("syncfree")
    manager.add_hookspecs(types.SimpleNamespace(work=work))
    direct = compose(implementation, upstream)

    class Plugin:
        @staticmethod
        @hookimpl(specname="work")
        def work(a: int, b: int, c: int) -> Any:
            return direct(a, b, c)

    manager.register(Plugin())
    hook = manager.hook.work
    return lambda a, b, c: hook(a=a, b=b, c=c)


def sglang_around() -> Callable[..., Any] | None:
    """SGLang's own HookRegistry with one AROUND hook on a function of ours; None where SGLang has no such registry."""
    try:
        from sglang.srt.plugins.hook_registry import HookRegistry, HookType
    except ImportError:
        return None
    module = types.ModuleType("syncfree_bench_target")

    def original(a: int, b: int, c: int) -> int:  # of its own: the registry rewrites every global that holds its target
        return a

    module.upstream = original  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    direct = compose(implementation, upstream)
    HookRegistry.register(f"{module.__name__}.upstream", lambda original, a, b, c: direct(a, b, c), HookType.AROUND)
    HookRegistry.apply_hooks()
    patched = module.upstream
    if patched is original:
        raise RuntimeError("SGLang's HookRegistry did not patch the target")
    return patched  # type: ignore[no-any-return]


def nanoseconds(call: Callable[..., Any]) -> float:
    """One block: nanoseconds per call, the loop's own cost included in every row alike."""
    repeat = range(CALLS)
    start = perf_counter_ns()
    for _ in repeat:
        call(1, 2, 3)
    return (perf_counter_ns() - start) / CALLS


def measure(blocks: int) -> dict[str, tuple[float, float]]:
    """Minimum and median over interleaved blocks, by row."""
    rows: dict[str, Callable[..., Any]] = {
        "direct (adapter + implementation)": compose(implementation, upstream),
        "bound hook": bound_hook(),
        "wrapt FunctionWrapper": wrapt_wrapper(),
        "pluggy firstresult": pluggy_firstresult(),
    }
    around = sglang_around()
    if around is not None:
        rows["SGLang HookRegistry AROUND"] = around
    seen: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(blocks):
        for name, call in rows.items():
            seen[name].append(nanoseconds(call))
    return {name: (min(times), median(times)) for name, times in seen.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=60)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    found = measure(options.blocks)
    direct = found["direct (adapter + implementation)"][0]
    bound = found["bound hook"][0]
    print(f"Python {platform.python_version()}, {options.blocks} interleaved blocks of {CALLS} calls; ns per call")
    print(f"{'':36}{'minimum':>9}{'median':>9}{'over direct':>13}")
    for name, (low, middle) in sorted(found.items(), key=lambda item: item[1][0]):
        print(f"{name:36}{low:9.0f}{middle:9.0f}{low - direct:13.0f}")
    over = bound - direct
    print(f"goal: bound hook within {GOAL_NS} ns of direct: {over:.0f} ns ({'met' if over <= GOAL_NS else 'missed'})")
    print(f"pluggy over bound hook, what each adds to direct: {(found['pluggy firstresult'][0] - direct) / over:.1f}x")
    if "SGLang HookRegistry AROUND" not in found:
        print("SGLang HookRegistry: not measured, no SGLang 0.5.21 or newer here")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"python": platform.python_version(), "nanoseconds": found}, file, indent=2)


if __name__ == "__main__":
    main()
