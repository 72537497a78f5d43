"""Installed packages, as the package manager of a host lists them. Pure."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime

from secscan.collection.ssh.framing import Reply
from secscan.collection.ssh.reading import (
    LONGEST,
    MOST,
    UnparsedError,
    blocks,
    bounded,
    instant,
    lines,
    take,
    understood,
)
from secscan.facts import Gap, Package, PackageFacts, Reading
from secscan.model import Reason

#: More than any distribution has; what is past it is not a package database.
MOST_PACKAGES = 50_000

#: dpkg(1), package states: what has files of the package on disk.
_PRESENT = frozenset("iHUFWt")
#: What distributions keep their own packages with, by ID and ID_LIKE of os-release(5).
_OWN_MANAGER = {
    **dict.fromkeys(("debian", "devuan", "raspbian", "ubuntu"), "dpkg"),
    **dict.fromkeys(("almalinux", "amzn", "centos", "fedora", "ol", "redhat", "rhel", "rocky"), "rpm"),
    **dict.fromkeys(("opensuse", "opensuse-leap", "opensuse-tumbleweed", "sles", "suse"), "rpm"),
    "alpine": "apk",
    "arch": "pacman",
}
_IDENTITY = re.compile(r"(?m)^(?:ID|ID_LIKE)=(.*)$")
_RPM_FIELDS = 8
_NONE = "(none)"

_APT_VERSION = re.compile(r"apt ([0-9]{1,4})\.")
_LISTED = re.compile(r"([a-z0-9][a-z0-9+.-]*)/\S* \S+ \S+ \[.*\]")
_NEVRA_LOCK = re.compile(r"(?P<name>[^\s*]+?)-(?:(?:\d+|\*):)?[^\s-]+-[^\s-]+")


def package_facts(reply: Reply) -> PackageFacts | Gap:
    """Everything installed, or why that is not known.

    A host with two managers is the one's that its distribution is made with, however much the other has; only where
    that is not known, the one's that has more.
    """
    readers: dict[str, tuple[str, Callable[[str], tuple[Package, ...]]]] = {
        "dpkg": ("dpkg", dpkg_packages),
        "rpm": ("rpm", rpm_packages),
        "apk": ("apk", apk_packages),
        "pacman": ("pacman", pacman_packages),
    }
    read = {
        manager: take(reply, name, parse) for manager, (name, parse) in readers.items() if reply.has(name)
    }
    if not read:
        return reply.broken or Gap(Reason.TOOL_MISSING, "the host has no package manager that secscan knows")
    found = {manager: packages for manager, packages in read.items() if not isinstance(packages, Gap)}
    if not found:
        return next(gap for gap in read.values() if isinstance(gap, Gap))
    own = _own_manager(reply)
    if own is not None and own not in read:
        others = ", ".join(sorted(read))
        return Gap(Reason.CONTRADICTORY, f"its distribution is made with {own}; found was only {others}")
    if own is not None and isinstance(gap := read[own], Gap):
        return gap
    manager = own or max(found, key=lambda m: len(found[m]))
    gaps = [gap for gap in read.values() if isinstance(gap, Gap)]
    if not found[manager]:
        return gaps[0] if gaps else Gap(Reason.CONTRADICTORY, f"{manager} knows of no package at all")
    return PackageFacts(
        manager=manager,
        packages=found[manager],
        held=_held(reply, manager),
        foreign=_foreign(reply, manager),
    )


def _own_manager(reply: Reply) -> str | None:
    """By the distribution's own name first, else by those that it calls itself like; None where none is known."""
    text = reply.output("release")
    if isinstance(text, Gap):
        return None
    if text.startswith("REDHAT="):
        return "rpm"
    assigned = sorted(re.finditer(_IDENTITY, text), key=lambda line: line[0].startswith("ID_LIKE"))
    words = [word.lower() for line in assigned for word in re.split(r"[\s\"']+", line[1]) if word]
    return next((_OWN_MANAGER[word] for word in words if word in _OWN_MANAGER), None)


# --- Databases --------------------------------------------------------------------------------------------


def dpkg_packages(text: str) -> tuple[Package, ...]:
    """What `dpkg-query` says in the script's format, without what is removed and left its configuration."""
    packages: list[Package] = []
    for line in lines(text):
        fields = line.split("\t")
        if len(fields) != 6 or len(fields[0]) < 2:
            raise UnparsedError(line)
        status, name, version, architecture, source, source_version = fields
        if status[1] in _PRESENT:
            _one_more(
                packages,
                _package(line, name, version, architecture, source or name, source_version or version),
            )
    return _ordered(packages)


def rpm_packages(text: str) -> tuple[Package, ...]:
    """What `rpm -qa` says in the script's format. Keys that were imported are not packages."""
    packages: list[Package] = []
    for line, fields in _rpm_lines(text):
        name, epoch, number, release, architecture, source_file, _installed, label = fields
        if name == "gpg-pubkey":
            continue
        # Epoch 0 and none are equal (rpm-version(7)), and advisories leave it out.
        prefix = "" if epoch in (_NONE, "0") else f"{epoch}:"
        version = f"{prefix}{number}-{release}"
        source, source_version = name, version
        if source_file != _NONE:
            parts = re.sub(r"\.(?:no)?src\.rpm\Z", "", source_file).rsplit("-", 2)
            if len(parts) != 3:
                raise UnparsedError(line)
            # A source rpm's file name has no epoch; all but a handful of packages share their source's.
            source, source_version = parts[0], f"{prefix}{parts[1]}-{parts[2]}"
        module = "" if label in (_NONE, "") else ":".join(label.split(":")[:2])
        _one_more(packages, _package(line, name, version, architecture, source, source_version, module))
    return _ordered(packages)


def rpm_changed(text: str) -> datetime:
    """When the newest package was installed. Raises UnparsedError where there is none."""
    return max((instant(fields[6]) for _line, fields in _rpm_lines(text)), default=None) or _nothing()


def rpm_installed_since(text: str, since: datetime, names: frozenset[str]) -> tuple[str, ...]:
    """Which of ``names`` were installed or updated after an instant, sorted."""
    mine = (fields for _line, fields in _rpm_lines(text) if fields[0] in names)
    return tuple(sorted({fields[0] for fields in mine if instant(fields[6]) > since}))


def apk_packages(text: str) -> tuple[Package, ...]:
    """Lines P, V, A and o of apk's database of what is installed; an empty line ends a package."""
    packages: list[Package] = []
    for block in blocks(text):
        fields: dict[str, str] = {}
        for line in lines(block):
            key, colon, value = line.partition(":")
            if not colon or key in fields:
                raise UnparsedError(line)
            fields[key] = value
        if not {"P", "V", "A"} <= fields.keys():
            raise UnparsedError(block)
        source = fields.get("o") or fields["P"]
        _one_more(packages, _package(block, fields["P"], fields["V"], fields["A"], source, fields["V"]))
    return _ordered(packages)


def pacman_packages(text: str) -> tuple[Package, ...]:
    """A line a package: its name, then fields of its description."""
    packages: list[Package] = []
    for line, name, fields in _pacman_lines(text):
        if not {"VERSION", "ARCH"} <= fields.keys():
            raise UnparsedError(line)
        version = fields["VERSION"]
        _one_more(packages, _package(line, name, version, fields["ARCH"], fields.get("BASE", name), version))
    return _ordered(packages)


def pacman_changed(text: str) -> datetime:
    """When the newest package was installed. Raises UnparsedError where none says so."""
    dates = [fields["INSTALLDATE"] for _l, _n, fields in _pacman_lines(text) if "INSTALLDATE" in fields]
    return max((instant(date) for date in dates), default=None) or _nothing()


def _rpm_lines(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in lines(text):
        fields = line.split("\t")
        if len(fields) != _RPM_FIELDS:
            raise UnparsedError(line)
        yield line, fields


def _pacman_lines(text: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    for line in lines(text):
        name, *rest = line.split("\t")
        fields = {}
        for field in rest:
            key, _, value = field.partition(" ")
            fields[key.strip("%")] = value
        yield line, name, fields


def _nothing() -> datetime:
    raise UnparsedError("no package says when it was installed")


def _package(
    line: str, name: str, version: str, architecture: str, source: str, source_version: str, module: str = ""
) -> Package:
    if not name or not version:
        raise UnparsedError(line)
    if len(line) <= LONGEST:
        return Package(
            name=name,
            version=version,
            architecture=architecture,
            source=source,
            source_version=source_version,
            module=module,
        )
    return Package(
        name=bounded(name),
        version=bounded(version),
        architecture=bounded(architecture),
        source=bounded(source),
        source_version=bounded(source_version),
        module=bounded(module),
    )


def _one_more(packages: list[Package], package: Package) -> None:
    packages.append(package)
    if len(packages) > MOST_PACKAGES:
        raise UnparsedError(f"over {MOST_PACKAGES} packages")


def _ordered(packages: list[Package]) -> tuple[Package, ...]:
    return tuple(sorted(packages, key=lambda p: (p.name, p.architecture, p.version)))


# --- Held and foreign ---------------------------------------------------------------------------------------


def _held(reply: Reply, manager: str) -> Reading[tuple[str, ...]]:
    match manager:
        case "dpkg":
            return take(reply, "dpkg", _dpkg_held)
        case "rpm":
            return take(reply, "rpm-held", _rpm_held)
        case "apk":
            return take(reply, "apk-world", _apk_held)
        case _:
            return take(reply, "pacman-origins", _pacman_held)


def _dpkg_held(text: str) -> tuple[str, ...]:
    held = {line.split("\t")[1] for line in lines(text) if line.startswith("h") and line.count("\t") == 5}
    return _names(held)


def _rpm_held(text: str) -> tuple[str, ...]:
    held: set[str] = set()
    for line in lines(text):
        file, _, rest = line.partition(" ")
        rest = rest.strip()
        if file == "conf":
            held |= set(re.split(r"[\s,]+", rest.partition("=")[2].strip()))
        elif file == "locks":
            held |= set(re.findall(r"\Asolvable_name:\s*(\S+)", rest))
        elif file == "versionlock.toml":
            held |= set(re.findall(r"\Aname\s*=\s*[\"']([^\"']+)", rest))
        elif rest and not rest.startswith("!"):
            lock = _NEVRA_LOCK.fullmatch(rest)
            held.add(lock["name"] if lock else rest)
    return _names(held)


def _apk_held(text: str) -> tuple[str, ...]:
    """Only what keeps a version from rising: ``name=1.2`` and ``name<2``, and ``name~1.2``."""
    return _names(
        {
            word[1]
            for text_line in lines(text)
            for line in text_line.split()
            if (word := re.fullmatch(r"([^\s=<>~@]+)[=<~].*", line))
        }
    )


def _pacman_held(text: str) -> tuple[str, ...]:
    held: set[str] = set()
    for line in lines(text):
        if line.strip().startswith("IgnorePkg"):
            held |= set(line.partition("=")[2].split())
    return _names(held)


def _foreign(reply: Reply, manager: str) -> Reading[tuple[str, ...]]:
    match manager:
        case "dpkg":
            return _apt_foreign(reply)
        case "rpm":
            return take(reply, "rpm-foreign", _rpm_foreign)
        case "pacman":
            # It ends with 1 where there is none.
            section = reply.section("pacman-foreign")
            if isinstance(section, Gap):
                return section
            if section.status not in (0, 1):
                return Gap(
                    Reason.UNREADABLE, f"pacman-foreign: the command failed with status {section.status}"
                )
            return understood(
                "pacman-foreign",
                section.text,
                lambda text: _names({n for line in lines(text) for n in line.split()}),
            )
        case _:
            return Gap(Reason.NOT_COLLECTED, "apk does not say which packages no repository has")


def _apt_foreign(reply: Reply) -> Reading[tuple[str, ...]]:
    text = reply.output("apt-foreign")
    if isinstance(text, Gap):
        return text
    version = _APT_VERSION.match(text)
    if version is None or int(version[1]) < 2:
        return Gap(Reason.TOOL_MISSING, "telling packages of no repository needs apt 2.0 or later")
    return understood("apt-foreign", text.partition("\n")[2], _listed_by_apt)


def _listed_by_apt(text: str) -> tuple[str, ...]:
    names = set()
    for line in lines(text):
        if not line or line.startswith("Listing..."):
            continue
        listed = _LISTED.fullmatch(line)
        if listed is None:
            raise UnparsedError(line)
        names.add(listed[1])
    return _names(names)


def _rpm_foreign(text: str) -> tuple[str, ...]:
    """dnf: ``name.arch version repository`` under a heading; zypper: a table whose third column is the name."""
    names = set()
    for line in lines(text):
        if "|" in line:
            cells = [cell.strip() for cell in line.split("|")]
            if len(cells) >= 5 and cells[0].startswith("i"):
                names.add(cells[2])
        elif match := re.match(r"(\S+)\.[a-z0-9_]+(?:\s|\Z)", line):
            names.add(match[1])
    return _names(names)


def _names(names: set[str]) -> tuple[str, ...]:
    if len(names) > MOST:
        raise UnparsedError(f"over {MOST} packages held, or of no repository")
    return tuple(sorted(bounded(name) for name in names if name))
