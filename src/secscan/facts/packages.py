"""What is installed on a host, and what its own package manager says of updates."""

from datetime import datetime
from typing import ClassVar

import msgspec

from secscan.facts.kind import Facts, Gap, Reading
from secscan.model import Level


class Package(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One installed package. Stored as an array: a host has a thousand of them.

    ``version`` is complete, as the distribution compares it: epoch, version, release. ``source`` and
    ``source_version`` are those of the source package (equal to name and version where it names none).
    ``module`` is the modular stream of EL 8 and its like (``nodejs:18``), "" elsewhere.
    """

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    module: str = ""


class PackageFacts(Facts, frozen=True, kw_only=True):
    """Everything installed, sorted by name, architecture and version."""

    kind: ClassVar[str] = "packages"
    level: ClassVar[Level] = Level.HOST

    manager: str  # "dpkg", "rpm", "apk", "pacman"
    packages: tuple[Package, ...]
    #: Names that the operator of the host keeps from being updated (apt-mark hold, versionlock, IgnorePkg).
    held: Reading[tuple[str, ...]] = Gap()
    #: Names of packages that no configured repository offers, in any version.
    foreign: Reading[tuple[str, ...]] = Gap()


class PendingUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """One update the host's package manager would install now, from the metadata it has."""

    name: str
    architecture: str
    installed: str
    candidate: str
    #: Where it would come from, as the package manager names it (``Debian-Security:12/stable-security``).
    origin: str = ""
    security: Reading[bool] = Gap()


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A configured, enabled source of packages. ``address`` has any user name and password taken out."""

    address: str
    suite: str = ""
    #: By what the repository says of itself (Label, Suite, id), not by its address.
    security: Reading[bool] = Gap()


class UpdateFacts(Facts, frozen=True, kw_only=True):
    """How a host is kept up to date."""

    kind: ClassVar[str] = "updates"
    level: ClassVar[Level] = Level.HOST

    pending: Reading[tuple[PendingUpdate, ...]] = Gap()
    repositories: Reading[tuple[Repository, ...]] = Gap()
    #: When the package metadata on the host was last fetched (the oldest of the lists in use).
    metadata_at: Reading[datetime] = Gap()
    #: Updates, at least those of security, install themselves (unattended-upgrades, dnf-automatic, ...).
    automatic: Reading[bool] = Gap()
    #: When anything was last installed or updated.
    changed_at: Reading[datetime] = Gap()
    #: Windows: KB numbers of installed updates, sorted.
    hotfixes: Reading[tuple[str, ...]] = Gap()
