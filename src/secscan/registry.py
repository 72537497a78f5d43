"""Finds checks and kinds of facts: entry points and an explicit folder. Nothing registers itself at import."""

import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from secscan.check import Check
from secscan.facts import BUILT_IN, Facts

#: Each entry point names a module or a package; every module in it is searched for checks.
CHECKS_GROUP = "secscan.checks"
#: Each entry point names a Facts class, or a module or package that defines some.
FACTS_GROUP = "secscan.facts"

#: What a profile says of any rule; a check's limits can't use these names.
RULE_KEYS = frozenset({"severity", "enabled", "cap", "known_exploited"})


class RegistryError(Exception):
    """Checks or kinds of facts that can't be used: names the distribution or the file, and the mistake."""


def find_checks(*, folder: Path | None = None) -> Mapping[str, Check]:
    """Every check that is installed (the built-in ones too) or lies in ``folder``, ordered by id.

    ``folder`` is the operator's own (``--checks-dir``), never guessed: its modules can import each other
    relatively and nothing of theirs becomes importable under a public name. Raises RegistryError on a folder
    that is missing, a module that can't be imported, a malformed check, two checks of one id, and a check of
    facts that no kind describes.
    """
    found: dict[str, _Found] = {}
    for entry in _entries(CHECKS_GROUP):
        _add_checks(found, _modules(entry.module, _origin(entry)), _origin(entry))
    if folder is not None:
        _add_checks(found, _modules_in(folder), f"folder {folder}")
    kinds = find_kinds()
    for place in found.values():
        _refuse_unusable(place, kinds)
    return {id: found[id].check for id in sorted(found)}


def find_kinds() -> Mapping[str, type[Facts]]:
    """The built-in kinds of facts and those that distributions bring along, by name.

    Raises RegistryError on an entry point that can't be imported or names no kind, and on two kinds of one name.
    """
    kinds = dict(BUILT_IN)
    for entry in _entries(FACTS_GROUP):
        origin = _origin(entry)
        defined = list(_kinds(entry, origin))
        if not defined:
            raise RegistryError(f"{origin}: {entry.value} defines no kind of facts (a subclass of Facts)")
        for kind in defined:
            name = getattr(kind, "kind", None)
            if not isinstance(name, str) or not hasattr(kind, "level"):
                raise RegistryError(
                    f"{origin}: {kind.__module__}.{kind.__qualname__} must set the class variables kind and level"
                )
            if kinds.setdefault(name, kind) is not kind:
                known = kinds[name]
                raise RegistryError(
                    f"{origin}: two kinds of facts are named {name!r}: "
                    f"{known.__module__}.{known.__qualname__} and {kind.__module__}.{kind.__qualname__}"
                )
    return kinds


def checks_version(checks: Mapping[str, Check]) -> str:
    """Sixteen hex digits over the ids and the source text of these checks.

    The text is that of every module beside a check's own in its package, for a verdict can hang on what two
    check modules share.
    """
    seal = hashlib.sha256()
    for id in sorted(checks):
        seal.update(f"check {id}\n".encode())
    for name in sorted({module for check in checks.values() for module in _neighbours(check.source)}):
        text = _source(name)
        seal.update(f"module {_public(name)}\n{len(text)}\n{text}\n".encode("utf-8", "surrogatepass"))
    return seal.hexdigest()[:16]


# --- Checks -------------------------------------------------------------------------------------------


class _Found:
    def __init__(self, check: Check, origin: str) -> None:
        self.check = check
        self.origin = origin

    def __str__(self) -> str:
        return f"{_public(self.check.source)}.{self.check.function.__name__} ({self.origin})"


def _add_checks(found: dict[str, _Found], modules: Iterator[ModuleType], origin: str) -> None:
    for module in modules:
        for value in vars(module).values():
            if not isinstance(value, Check):
                continue
            # A check that one module imports from another is met twice and is still one check.
            known = found.setdefault(value.id, _Found(value, origin))
            if known.check is not value:
                raise RegistryError(
                    f"two checks have the id {value.id!r}: {known} and {_Found(value, origin)}; "
                    f"give one of them another id"
                )


def _refuse_unusable(place: _Found, kinds: Mapping[str, type[Facts]]) -> None:
    check = place.check
    for kind in sorted(check.kinds, key=lambda kind: kind.kind):
        if kinds.get(kind.kind) is not kind:
            raise RegistryError(
                f"{place}: check {check.id!r} observes facts of kind {kind.kind!r}, which nothing collects; "
                f"offer {kind.__qualname__} by an entry point of the group {FACTS_GROUP!r}"
            )
    taken = RULE_KEYS & set(check.limits.model_fields) if check.limits else frozenset()
    if taken:
        raise RegistryError(
            f"{place}: check {check.id!r} has a limit named {min(taken)!r}, "
            f"which in a profile says something of every rule; give it another name"
        )


# --- Modules ------------------------------------------------------------------------------------------

_PRIVATE = "_secscan_checks_"


def _entries(group: str) -> list[EntryPoint]:
    # Two distributions may offer the same module (an old and a new name of one project): one entry is enough.
    entries = {entry.value: entry for entry in sorted(entry_points(group=group), key=lambda e: e.name)}
    return list(entries.values())


def _origin(entry: EntryPoint) -> str:
    name = entry.dist.name if entry.dist else "an unnamed distribution"
    return f"distribution {name}, entry point {entry.name!r}"


def _modules(name: str, origin: str) -> Iterator[ModuleType]:
    """The module, and if it is a package every module in it, at any depth, by name."""
    module = _import(name, origin)
    yield module
    for info in sorted(pkgutil.iter_modules(getattr(module, "__path__", [])), key=lambda i: i.name):
        yield from _modules(f"{name}.{info.name}", origin)


def _modules_in(folder: Path) -> Iterator[ModuleType]:
    """The modules of a folder, read afresh under a private package; ``sys.path`` is left alone."""
    if not folder.is_dir():
        raise RegistryError(f"folder {folder}: not a folder; name the folder that holds your check files")
    package = _PRIVATE + hashlib.sha256(bytes(folder.resolve())).hexdigest()[:12]
    for name in [n for n in sys.modules if n == package or n.startswith(package + ".")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    spec = importlib.machinery.ModuleSpec(package, None, is_package=True)
    spec.submodule_search_locations = [str(folder.resolve())]
    sys.modules[package] = importlib.util.module_from_spec(spec)
    for info in sorted(pkgutil.iter_modules([str(folder.resolve())]), key=lambda i: i.name):
        file = folder / (f"{info.name}/__init__.py" if info.ispkg else f"{info.name}.py")
        yield from _modules(f"{package}.{info.name}", f"file {file}")


def _import(name: str, origin: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as e:
        # Somebody else's module can fail with anything; whatever it is, the operator needs to hear whose it was.
        raise RegistryError(f"{origin}: {_public(name)} can't be imported: {type(e).__name__}: {e}") from e


def _kinds(entry: EntryPoint, origin: str) -> Iterator[type[Facts]]:
    if entry.attr:
        kind = getattr(_import(entry.module, origin), entry.attr, None)
        if inspect.isclass(kind) and issubclass(kind, Facts):
            yield kind
        return
    for module in _modules(entry.module, origin):
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, Facts) and value.__module__ == module.__name__:
                yield value


def _public(name: str) -> str:
    """The module's name without the private package, whose name is made of a path and means nothing to anybody."""
    return name.partition(".")[2] if name.startswith(_PRIVATE) else name


def _neighbours(name: str) -> Iterator[str]:
    """The module, and those beside it in its package, or in it if it is one."""
    yield name
    package = name if hasattr(sys.modules[name], "__path__") else name.rpartition(".")[0]
    if package:
        for info in pkgutil.iter_modules(getattr(sys.modules[package], "__path__", [])):
            if not info.ispkg:
                yield f"{package}.{info.name}"


def _source(name: str) -> str:
    spec = importlib.util.find_spec(name)
    loader = spec.loader if spec else None
    # The text comes with line ends of one kind, whatever the checkout has. A distribution of compiled files alone
    # has no text: its version then hangs on the ids.
    text = loader.get_source(name) if isinstance(loader, importlib.abc.InspectLoader) else None
    return text or ""
