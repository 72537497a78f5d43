"""Where a host gets packages from, against the repositories that advisories are about. Pure."""

import re
from collections.abc import Iterable

import msgspec

from secscan.facts import Repository

#: Words of a repository's id that name no content: ``rhel-9-for-x86_64-appstream-rpms`` is ``appstream``.
_NO_CONTENT = frozenset(
    {"aus", "e4s", "eus", "for", "latest", "linux", "os", "rpm", "rpms", "rocky", "alma", "almalinux", "rhel"}
    | {"redhat", "centos", "stream", "server", "tus", "x86", "x86_64", "aarch64", "ppc64le", "s390x", "s390"}
)
_RELEASE = re.compile(r"\d+|(?:el|ol|rhel|fc)\d+")
#: What Enterprise Linux is divided into (Rocky Linux' compose definitions, Red Hat's ids), by those words.
_ENTERPRISE_LINUX = frozenset(
    {
        "appstream",
        "base",
        "baseos",
        "builder",
        "codeready",
        "crb",
        "devel",
        "extras",
        "highavailability",
        "nfv",
    }
    | {
        "optional",
        "plus",
        "powertools",
        "resilientstorage",
        "rt",
        "sap",
        "saphana",
        "supplementary",
        "updates",
    }
)
_BY_WORDS = frozenset({"almalinux", "centos", "ol", "rhel", "rocky"})
#: What the address of a distribution's own repository or of a mirror of it has in it. An id is the host's own word:
#: another maker's repository may be called ``extras`` as well.
_VENDORS = {
    "almalinux": r"alma",
    "centos": r"centos",
    "fedora": r"fedora",
    "ol": r"oracle|/ol\d",
    "opensuse-leap": r"suse",
    "rhel": r"redhat|rhel",
    "rocky": r"rocky",
    "sles": r"suse",
}
#: Nothing that is installed comes from these.
_SILENT = frozenset({"debug", "debuginfo", "debugsource", "source", "src"})
_ALPINE = re.compile(r"/(?P<branch>v\d+\.\d+|edge|latest-stable)/(?P<name>[a-z-]+)/?$")


def is_own(repository: Repository, ecosystem: str, version: str) -> bool:
    """Whether an rpm or apk repository is one of the distribution's own, by its id and by where it lies."""
    if ecosystem == "alpine":
        found = _ALPINE.search(repository.address)
        return (
            found is not None and found["branch"] == f"v{version}" and found["name"] in ("main", "community")
        )
    return _is_called_own(repository.suite, ecosystem) and _is_of_vendor(repository, ecosystem)


def name_of(repository: Repository, ecosystem: str) -> str:
    """What a repository of which no advisories speak is called: its id, or its address where its id poses as one of
    the distribution's own, so that naming it as looked after otherwise names no other."""
    if not _is_called_own(repository.suite, ecosystem) or _is_of_vendor(repository, ecosystem):
        return repository.suite or repository.address
    return re.sub(r"^[a-z+]+://", "", repository.address).rstrip("/") or repository.suite


def is_alike(repository: Repository, name: str, ecosystem: str, version: str) -> bool:
    """Whether advisories of the repository called ``name`` are those of this one."""
    if ecosystem == "alpine":
        found = _ALPINE.search(repository.address)
        return found is not None and found["branch"] == f"v{version}" and found["name"] == name
    if _is_called_own(repository.suite, ecosystem) and not _is_of_vendor(repository, ecosystem):
        return False
    if repository.suite.lower() == name:
        return True
    words = _words(repository.suite)
    return bool(words) and words == _words(name)


def is_silent(repository: Repository, ecosystem: str, version: str) -> bool:
    """Whether nothing installed needs advisories of it: the sources and the debugging symbols of one of the
    distribution's own repositories, and what SUSE only ever shipped once. Of other makers' none is silent: what a
    repository is called does not tell what it brings."""
    if repository.suite.lower().endswith("-pool"):
        return is_own(repository, ecosystem, version)
    spoken = [word for word in re.split(r"[^A-Za-z0-9]+", repository.suite) if word.lower() not in _SILENT]
    twin = msgspec.structs.replace(repository, suite="-".join(spoken))
    return bool(_words(repository.suite) & _SILENT) and is_own(twin, ecosystem, version)


def other_sources(repositories: Iterable[Repository], codename: str) -> tuple[str, ...]:
    """Sources of apt that are not the distribution's own, as far as their addresses and suites tell; sorted.

    Other makers use the release's code name as well. The distribution's archive is where its updates are: the
    address that also has a suite of updates or of security, if it is the only one.
    """
    own_suites = {codename, "stable", "oldstable", "oldoldstable"} - {""}
    updated: set[str] = set()
    plain: set[str] = set()
    others: set[str] = set()
    for repository in repositories:
        address = re.sub(r"^[a-z+]+://", "", repository.address).rstrip("/")
        base, mark, kind = repository.suite.replace("/", "-").rstrip("-").partition("-")
        if base not in own_suites:
            others.add(address)
        elif mark and kind in ("updates", "security", "backports", "proposed-updates", "proposed", "lts"):
            updated.add(address)
        elif mark:
            others.add(address)
        else:
            plain.add(address)
    # An archive of security updates has an address of its own on Debian, and there is no plain suite there.
    if len(plain) > 1:
        others |= plain - updated if plain & updated else plain
    return tuple(sorted(others))


def _is_called_own(suite: str, ecosystem: str) -> bool:
    words = _words(suite)
    if ecosystem in _BY_WORDS:
        return bool(words - _SILENT) and words - _SILENT <= _ENTERPRISE_LINUX
    if ecosystem == "sles":
        return re.match(r"sle[sd]?[\d_-]|suse", suite.lower()) is not None
    return ecosystem in words


def _is_of_vendor(repository: Repository, ecosystem: str) -> bool:
    mark = _VENDORS.get(ecosystem)
    return mark is None or re.search(mark, repository.address, re.IGNORECASE) is not None


def _words(name: str) -> frozenset[str]:
    words = re.split(r"[^a-z0-9]+", name.lower())
    return frozenset(w for w in words if w and w not in _NO_CONTENT and not _RELEASE.fullmatch(w))
