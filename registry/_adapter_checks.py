"""Validation of an adapter before anything of it is used; one error lists all of its problems.

Release data is not validated here, because `syncfree fingerprint` writes it for an adapter that has none yet; until then
its bindings are judged ``unknown``.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import combinations
from typing import TypeVar, get_args

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ._errors import PluginError, nearest, one_line, or_default
from .adapting import Adapter, Attachment, Binding, Form, Status
from .fingerprints._releases import ReleaseDataError, folder_of
from .hooks import HOOKS

T = TypeVar("T")

_FRAMEWORK = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def check_adapter(adapter: object, origin: str) -> Adapter:
    """Return the adapter if it is valid.

    Raises:
        PluginError: it is not an `Adapter`, or a field is not what `syncfree.adapting` documents.
    """
    if not isinstance(adapter, Adapter):
        raise PluginError(f"adapter of {origin}: {_shown(adapter)} is not a syncfree.adapting.Adapter")
    problems = [*_adapter(adapter)]
    for binding in _elements(adapter.bindings, Binding):
        where = f"the binding of {_shown(binding.hook)}"
        problems += [f"{where}: {problem}" for problem in _binding(binding, adapter.package)]
    for attachment in _elements(adapter.attachments, Attachment):
        problems += [f"an attachment: {problem}" for problem in _attachment(attachment, adapter.package)]
    if problems:
        raise PluginError(f"adapter of {origin}: {'; '.join(problems)}")
    return adapter


def _adapter(adapter: Adapter) -> Iterator[str]:
    if not _is_text(adapter.framework, _FRAMEWORK):
        yield f"framework is {_shown(adapter.framework)}, not a name such as 'acme' or 'acme-video'"
    if not _is_package(adapter.package):
        yield f"package is {_shown(adapter.package)}, not the name of a top-level package, such as 'acme'"
    yield from _tuple("distributions", adapter.distributions, _is_distribution, "names of distributions", least=1)
    yield from _home(adapter.home)
    yield from _tuple("bindings", adapter.bindings, _is(Binding), "Binding")
    yield from _tuple("attachments", adapter.attachments, _is(Attachment), "Attachment")
    if not isinstance(adapter.logger, str):
        yield f"logger is {_shown(adapter.logger)}, not the name of a logger"
    for name, release in (("loads_plugins_since", adapter.loads_plugins_since), ("reviewed", adapter.reviewed)):
        if release is not None and not _is_version(release):
            yield f"{name} is {_shown(release)}, not a release or None"
    if adapter.server_plans is not None and not callable(adapter.server_plans):
        yield f"server_plans is {_shown(adapter.server_plans)}, not a function or None"


def _home(home: object) -> Iterator[str]:
    if not isinstance(home, str) or not all(map(_is_package, home.split("."))):
        yield f"home is {_shown(home)}, not the name of the package that holds releases.json, such as __name__"
        return
    try:
        folder_of(home)
    except ReleaseDataError as error:
        yield f"home: {error}"


def _binding(binding: Binding, package: object) -> Iterator[str]:
    if not isinstance(binding.hook, str) or binding.hook not in HOOKS:
        yield f"unknown hook {_shown(binding.hook)}{nearest(binding.hook, HOOKS) if isinstance(binding.hook, str) else ''}"

    def fits(target: object) -> bool:
        return _is_target(target, package)

    kind = f"'{package}.module:Class.function'"
    yield from _tuple("targets", binding.targets, fits, kind, least=1)
    yield from _tuple("depends", binding.depends, fits, kind)
    for target in dict.fromkeys(_elements(binding.targets, str)):
        if binding.targets.count(target) > 1:
            yield f"it names {target} twice"
    yield from _tuple("forms", binding.forms, _is(Form), "Form", least=1)
    forms = _elements(binding.forms, Form)
    for form in forms:
        yield from (f"form {_shown(form.releases)}: {problem}" for problem in _form(form, binding.targets))
    readable = [form for form in forms if _is_specifier(form.releases) and _is_range_of_torch(form.torch)]
    for first, second in combinations(readable, 2):
        common = _common_release(first.releases, second.releases)
        if common is not None and _common_release(first.torch, second.torch) is not None:
            yield f"forms {first.releases!r} and {second.releases!r} overlap, at {common} for example"
    if not isinstance(binding.note, str):
        yield f"note is {_shown(binding.note)}, not a string"


def _form(form: Form, targets: object) -> Iterator[str]:
    if not _is_specifier(form.releases):
        yield "releases is not a version specifier such as '>=1.2,<1.5'"
    if form.status not in get_args(Status):
        yield f"status is {_shown(form.status)}, not one of {', '.join(get_args(Status))}"
    if not _is_range_of_torch(form.torch):
        yield f"torch is {_shown(form.torch)}, not a version specifier such as '<2.15', or empty"
    if not isinstance(form.why, str):
        yield f"why is {_shown(form.why)}, not a string"
    if not isinstance(form.wrapped_by, str) or (form.wrapped_by and not form.wrapped_by.isidentifier()):
        yield f"wrapped_by is {_shown(form.wrapped_by)}, not the name of a function, or empty"
    if form.compose is not None:
        yield from _tuple("compose", form.compose, callable, "functions, or None")
        if isinstance(form.compose, tuple) and isinstance(targets, tuple) and len(form.compose) != len(targets):
            yield f"compose has {len(form.compose)} functions for {len(targets)} targets"


def _attachment(attachment: Attachment, package: object) -> Iterator[str]:
    if not _is_target(attachment.target, package):
        yield f"target is {_shown(attachment.target)}, not '{package}.module:Class.function'"
    if not callable(attachment.make):
        yield f"make is {_shown(attachment.make)}, not a function"
    if not isinstance(attachment.purpose, str):
        yield f"purpose is {_shown(attachment.purpose)}, not a string"
    if not isinstance(attachment.adds, bool):
        yield f"adds is {_shown(attachment.adds)}, not True or False"


def _tuple(where: str, value: object, fits: Callable[[object], bool], kind: str, least: int = 0) -> Iterator[str]:
    """Yield the problems of a value that must be a tuple whose elements satisfy ``fits``."""
    if not isinstance(value, tuple):
        yield f"{where} is {_shown(value)}, not a tuple of {kind}"
        return
    if len(value) < least:
        yield f"{where} is empty"
    yield from (f"{where} has {_shown(element)}, not {kind}" for element in value if not fits(element))


def _elements(value: object, kind: type[T]) -> list[T]:
    """Return the elements of a tuple that have this type; empty for anything but a tuple."""
    return [element for element in value if isinstance(element, kind)] if isinstance(value, tuple) else []


def _is(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)


def _is_text(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_distribution(value: object) -> bool:
    return _is_text(value, _DISTRIBUTION)


def _is_package(value: object) -> bool:
    return isinstance(value, str) and value.isidentifier() and not keyword.iskeyword(value)


def _is_target(value: object, package: object) -> bool:
    if not isinstance(value, str) or value.count(":") != 1:
        return False
    module, _, name = value.partition(":")
    return module.split(".")[0] == package and all(map(_is_package, [*module.split("."), *name.split(".")]))


def _is_version(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(Version(value))
    except InvalidVersion:
        return False


def _is_specifier(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(SpecifierSet(value))
    except InvalidSpecifier:
        return False


def _is_range_of_torch(value: object) -> bool:
    return value == "" or _is_specifier(value)


@lru_cache
def _common_release(first: str, second: str) -> str | None:
    """Return a release that satisfies both specifiers: 0, a release that they name, or the one after it."""
    both = SpecifierSet(f"{first},{second}")
    named = [name for specifier in both if _is_version(name := specifier.version.removesuffix(".*"))]
    tried = ["0", *named, *(f"{Version(name).base_version}.0.0.1" for name in named)]
    return next((release for release in tried if both.contains(release, prereleases=True)), None)


def _shown(value: object) -> str:
    """Return a value's ``repr`` for a message, or its type where ``repr`` raises."""
    return or_default(lambda: one_line(repr(value)), f"an object of {type(value).__name__}")
