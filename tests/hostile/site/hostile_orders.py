"""Orders of load, use, restore, reload, patches and calls, held against a model; run in a process of its own.

Usage: python -m hostile_orders EXAMPLES STEPS SEED
"""

import functools
import importlib
import sys
import threading
import traceback

import hostile_child
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

import syncfree

HOOKS = {
    "progress_reporting": ("diffusers.work:progress",),
    "dp_all_reduce": ("diffusers.work:reduce", "diffusers.more:Sampler.gather"),
    "postprocess": ("diffusers.late:Pipe.finish", "diffusers.late:Pipe.made"),
}
DEFAULTS = {"progress_reporting": "sync_free", "dp_all_reduce": "acme", "postprocess": "acme"}
MODULES = ("diffusers.work", "diffusers.more", "diffusers.late")
GOOD = ("acme", "other", "upstream", "default")
BAD = ("nonsense", "coefficient_table", "")
EXAMPLES = []
hooks = st.sampled_from(sorted(HOOKS))
targets = st.sampled_from(sorted(hostile_child.TARGETS))


def place_of(target):
    module, _, path = target.partition(":")
    owner = sys.modules[module]
    *parents, name = path.split(".")
    for parent in parents:
        owner = vars(owner)[parent]
    return owner, name


class Orders(RuleBasedStateMachine):
    """The model: layers of choices, which targets somebody patched, which modules are another object than at the load."""

    def __init__(self):
        super().__init__()
        EXAMPLES.append(1)
        self.layers = []  # (the `with` block or None, {hook: choice})
        self.patched = {}  # target -> what the other one had found there
        self.ever_patched = set()  # under a patch `restore` leaves a slot that calls upstream, and says so
        self.fresh = set(MODULES)  # modules that were not reloaded since the beginning
        self.changed = set()  # modules that were reloaded since the load
        self.loaded = False
        self.seen = {}

    @initialize()
    def begin(self):
        syncfree.restore()
        for name in [name for name in sys.modules if name.split(".")[0] == "diffusers"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        hostile_child.import_framework()
        live = {target: hostile_child.live(target) for target in hostile_child.TARGETS}
        assert set(live.values()) == {"upstream"}, f"bound although nothing is loaded: {live}"
        self.originals = {target: vars(place_of(target)[0])[place_of(target)[1]] for target in hostile_child.TARGETS}

    def chosen(self, hook):
        found = DEFAULTS[hook]
        for _, choices in self.layers:
            if hook in choices:
                found = DEFAULTS[hook] if choices[hook] == "default" else choices[hook]
        return found

    @rule()
    def load(self):
        stale = self.stale()
        error = hostile_child.caught(lambda: syncfree.load("diffusers"))
        if error is not None:
            assert stale, f"load failed although nobody had patched anything: {error}"
            return
        if not self.loaded:
            self.changed.clear()
            self.seen.clear()  # it starts anew, at zero
            self.changed |= {target.partition(":")[0] for target in self.patched}  # refused until it is loaded anew
        self.loaded = True

    def stale(self):
        return bool(self.patched) or bool(self.changed)

    @rule(hook=hooks, choice=st.sampled_from(GOOD))
    def use(self, hook, choice):
        before = self.plan()
        error = hostile_child.caught(lambda: syncfree.use(**{hook: choice}))
        if error is None:
            self.layers.append((None, {hook: choice}))
        else:
            assert self.stale(), f"refused although nobody had patched anything: {error}"
            assert "SyncfreeError" in error["bases"], error
            assert self.plan() == before, (before, self.plan())

    @rule(hook=hooks, choice=st.sampled_from(BAD))
    def use_badly(self, hook, choice):
        before = self.plan()
        error = hostile_child.caught(lambda: syncfree.use(**{hook: choice}))
        assert error is not None
        assert "SelectionError" in error["bases"], error
        assert self.plan() == before

    @rule(hook=hooks, choice=st.sampled_from(GOOD))
    def enter(self, hook, choice):
        made = []
        error = hostile_child.caught(lambda: made.append(syncfree.use(**{hook: choice})))
        if error is None:
            made[0].__enter__()
            self.layers.append((made[0], {hook: choice}))
        else:
            assert self.stale(), error

    @precondition(lambda self: any(block for block, _ in self.layers))
    @rule(which=st.integers(0, 5), thread=st.booleans())
    def leave(self, which, thread):
        """In any order, as blocks of several threads end."""
        blocks = [block for block, _ in self.layers if block is not None]
        block = blocks[which % len(blocks)]
        errors = []
        end = lambda: errors.append(hostile_child.caught(lambda: block.__exit__(None, None, None)))  # noqa: E731
        if thread:
            other = threading.Thread(target=end)
            other.start()
            other.join(20)
            assert not other.is_alive(), "hung"
        else:
            end()
        if errors == [None]:
            self.layers = [layer for layer in self.layers if layer[0] is not block]
        else:
            assert self.stale(), errors

    @rule()
    def restore(self):
        left = syncfree.restore()
        self.loaded = False
        self.layers.clear()
        self.seen.clear()
        for target, original in self.originals.items():
            owner, name = place_of(target)
            if target not in self.patched:
                assert hostile_child.live(target) == "upstream", f"{target} is not upstream's, left: {left}"
                if target.split(":")[0] in self.fresh and target not in self.ever_patched:
                    assert vars(owner)[name] is original, f"{target} is not what it was: {vars(owner)[name]}, left: {left}"

    @rule(at=targets, wraps=st.booleans())
    def patch(self, at, wraps):
        if at in self.patched:
            return
        owner, name = place_of(at)
        raw = vars(owner)[name]
        function = getattr(raw, "__func__", raw)

        def foreign(*args, **kwargs):
            return ("foreign",)

        foreign = functools.wraps(function)(foreign) if wraps else foreign
        self.patched[at] = raw
        self.ever_patched.add(at)
        setattr(owner, name, type(raw)(foreign) if isinstance(raw, (staticmethod, classmethod)) else foreign)

    @precondition(lambda self: self.patched)
    @rule(which=st.integers(0, 5))
    def unpatch(self, which):
        target = sorted(self.patched)[which % len(self.patched)]
        owner, name = place_of(target)
        setattr(owner, name, self.patched.pop(target))

    @rule(module=st.sampled_from(MODULES))
    def reload(self, module):
        importlib.reload(sys.modules[module])
        self.forget(module)

    @rule(module=st.sampled_from(MODULES))
    def import_anew(self, module):
        del sys.modules[module]
        importlib.import_module(module)
        self.forget(module)

    def forget(self, module):
        self.fresh.discard(module)
        self.changed.add(module)
        self.patched = {target: raw for target, raw in self.patched.items() if not target.startswith(f"{module}:")}

    @rule(hook=st.permutations(sorted(HOOKS)), choices=st.lists(st.sampled_from(GOOD), min_size=2, max_size=2))
    @precondition(lambda self: not self.stale())
    def at_once(self, hook, choices):
        """Two threads choose for two hooks, others read."""
        barrier = threading.Barrier(4)
        errors = []

        def run(action):
            barrier.wait(20)
            errors.append(hostile_child.caught(action))

        chosen = dict(zip(hook, choices, strict=False))
        actions = [functools.partial(syncfree.use, **{h: c}) for h, c in chosen.items()]
        threads = [threading.Thread(target=run, args=(a,)) for a in (*actions, syncfree.plan, syncfree.counters)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert errors == [None] * 4, errors
        self.layers += [(None, {h: c}) for h, c in chosen.items()]

    @rule(at=targets)
    def call(self, at):
        hostile_child.live(at)

    def plan(self):
        return [(e.hook, e.targets, e.choice, e.state) for e in syncfree.plan() if e.framework == "diffusers"]

    @invariant()
    def the_plan_is_what_is_live(self):
        entries = [e for e in syncfree.plan() if e.framework == "diffusers"]
        for entry in entries:
            live = {target: hostile_child.live(target) for target in entry.targets}
            said = (entry.hook, entry.state, entry.choice, entry.reason, live)
            if entry.state == "bound":
                assert set(live.values()) == {entry.choice}, said
            elif entry.state not in ("replaced", "reloaded", "unloaded"):  # these are told; other targets may be ours still
                assert not set(live.values()) & {"sync_free", "acme", "other"}, said
            if self.loaded and not self.stale():
                chosen = self.chosen(entry.hook)
                assert set(live.values()) == {chosen}, (said, self.layers)
                assert entry.choice == chosen, (said, self.layers)
                assert entry.state == "bound" or (entry.state, chosen) == ("not bound", "upstream"), said

    @invariant()
    def counters_never_go_backwards(self):
        for hook, by_target in syncfree.counters().items():
            for target, by_choice in by_target.items():
                for choice, counts in by_choice.items():
                    key = (hook, target, choice)
                    assert counts.calls >= self.seen.get(key, 0), (key, counts, self.seen[key])
                    self.seen[key] = counts.calls

    def teardown(self):
        syncfree.restore()


def main():
    # The machine loads by itself, at a moment that it draws.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "_syncfree_site"]
    examples, steps, number = map(int, sys.argv[1:4])
    options = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=False,
        phases=[Phase.generate, Phase.shrink] if "--shrink" in sys.argv else [Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    failure = None
    try:
        run_state_machine_as_test(seed(number)(Orders), settings=options)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the finding
        traceback.print_exc()
        failure = hostile_child.described(error)
    hostile_child.write(failure=failure, examples=len(EXAMPLES))


if __name__ == "__main__":
    main()
