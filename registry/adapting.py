"""The records of an adapter: `Adapter`, `Binding`, `Form`, `Attachment`. Nothing here imports a framework."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ._target import parse

Compose = Callable[[Callable[..., Any], Callable[..., Any]], Callable[..., Any]]
"""``compose(implementation, upstream)`` returns the replacement: a function that takes every call of the target."""


Status = Literal["stalls", "repeats work", "upstreamed"]
BOUND_BY_DEFAULT: tuple[Status, ...] = ("stalls", "repeats work")
"""The forms that are replaced without an implementation being named."""


@dataclass(frozen=True, slots=True)
class Form:
    """One form that upstream's code took over a range of releases.

    Attributes:
        releases: a version specifier. Closed where the code changed so that this form no longer fits: ``">=0.20.0,<0.22"``;
            open otherwise: ``">=0.22.0"``, which ends at the newest release that ``releases.json`` has, and there fits the
            code of the releases up to `Adapter.reviewed` (of the first in the range, where that is a later one).
        status: ``stalls`` where this form makes the host wait for the GPU; ``repeats work`` where it does not, but does work
            that the implementations save. Both are bound by default. ``upstreamed`` where there is neither: bound only when
            the user names an implementation.
        why: what it costs, or which change fixed it.
        compose: one per target of the binding, or None where this form cannot be replaced.
        torch: the releases of torch with which the same code has this status, as a version specifier: ``"<2.15"`` where
            later ones no longer wait for what it does. A second form over the same releases says what holds with the others.
            Empty: with any torch.
        wrapped_by: a function of the targets' module with which that module itself wraps the targets after it has defined them,
            as a decorator would. Bound is the wrapper. Empty: the targets are left as defined.
    """

    releases: str
    status: Status
    why: str
    compose: tuple[Compose, ...] | None
    torch: str = ""
    wrapped_by: str = ""

    @property
    def reason(self) -> str:
        """Return `why`, with the releases of torch where these are limited."""
        return f"{self.why} (with torch {self.torch})" if self.torch else self.why


@dataclass(frozen=True, slots=True)
class Binding:
    """A hook and its targets in one framework.

    Attributes:
        hook: the hook's name.
        targets: ``"package.module:Class.function"``; several are bound all or none.
        forms: the forms upstream's code took, by its release and by that of torch, without overlap.
        depends: further functions that the replacement relies on; their fingerprints must match the recorded ones, too.
        note: a hazard to show in the plan and in doctor.
        repeatable: in every release of the forms, upstream's functions at the targets change neither an argument nor ``self``
            nor the state of a random generator, so that verification may call them once more beside the replacement.
        same_call: upstream's function at the first target takes the arguments of the hook's contract, by position, and does what
            the contract says: `pytest --syncfree-check` compares implementations with it where the framework is installed.
        in_compiled_code: the framework may call the targets from code that it compiles, or captures in a CUDA graph.
    """

    hook: str
    targets: tuple[str, ...]
    forms: tuple[Form, ...]
    depends: tuple[str, ...] = ()
    note: str = ""
    repeatable: bool = False
    same_call: bool = False
    in_compiled_code: bool = False

    @property
    def label(self) -> str:
        """The hook and its first target, for messages."""
        return f"{self.hook} at {self.targets[0]}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A function that is added to a framework, or wraps one of its own, when its module has been imported; not a hot path.

    Attributes:
        target: ``"package.module:Class.function"``.
        make: given the original (None when `adds`), returns its replacement.
        purpose: what is missing without it, for messages.
        adds: whether the name must be free; otherwise it must exist.
    """

    target: str
    make: Callable[[Any], Callable[..., Any]]
    purpose: str
    adds: bool = False

    @property
    def module(self) -> str:
        """The module that holds the target."""
        return parse(self.target).module


@dataclass(frozen=True, slots=True)
class Adapter:
    """The bindings of one framework.

    Attributes:
        framework: the name used in reports and by ``syncfree.load``.
        package: the importable top-level package.
        distributions: names the package is distributed under; the installed one gives the version.
        bindings: the framework's bindings.
        home: the package that holds ``releases.json`` (usually ``__name__``).
        reviewed: the newest release in which every change of the recorded functions was reviewed, so that the open forms are
            known to fit its code. Only a release that changes something moves it. None: open forms fit only the code of the
            first release in their range.
        logger: the logger whose handlers reach the framework's own log.
        loads_plugins_since: the first release that itself loads our plugin in every process; in older ones ``syncfree.pth``
            does. None: always ``syncfree.pth``.
        server_plans: given the address of a running server, returns the plan of each of its workers as a dictionary, as
            ``syncfree doctor --server`` shows it, or raises a `SyncfreeError` with the reason. None: not supported.
        attachments: functions to add to the framework or to wrap around its functions that are not targets of hooks.
    """

    framework: str
    package: str
    distributions: tuple[str, ...]
    bindings: tuple[Binding, ...]
    home: str
    logger: str = "syncfree"
    loads_plugins_since: str | None = None
    attachments: tuple[Attachment, ...] = ()
    reviewed: str | None = None
    server_plans: Callable[[str], list[dict[str, Any]]] | None = None
