"""What all formats are brought into: one entry a fact, under the feed it belongs to."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeAlias

import msgspec

from secscan.model import Severity

# --- What feeds say -----------------------------------------------------------------------------------


class RatedFlaw(msgspec.Struct, frozen=True, array_like=True):
    """A vulnerability by its CVE number, or by the advisory's name where it has none, and who rated it."""

    id: str
    severity: Severity | None = None
    #: The distributor's own word; else the severity follows from CVSS.
    by_distributor: bool = False


class Affected(msgspec.Struct, frozen=True, array_like=True):
    """One package of one release that an advisory is about."""

    package: str
    #: The version that mends it, as the distribution compares versions. Empty: there is none yet.
    fixed: str
    #: ``package`` is the name of a source package.
    source: bool = False
    #: The first version that has the flaw; empty: all before the fix.
    introduced: str = ""
    #: EL modules: the streams it may be of, ``name:stream``. Empty: it is of no module.
    modules: tuple[str, ...] = ()


class Advisory(msgspec.Struct, frozen=True, array_like=True):
    """What a distributor says of flaws in its own packages; of one release only, that of its feed."""

    id: str
    flaws: tuple[RatedFlaw, ...]
    affected: tuple[Affected, ...]
    published: date | None = None
    #: It bundles fixes under a name of its own (DSA, USN, RHSA), and is not merely the record of one CVE.
    named: bool = True

    @property
    def cves(self) -> tuple[str, ...]:
        return tuple(flaw.id for flaw in self.flaws if flaw.id.startswith("CVE-"))


class IndexedPackage(msgspec.Struct, frozen=True, array_like=True):
    """One package of a distribution's index: what apt would install."""

    name: str
    version: str
    architecture: str
    source: str
    source_version: str


class Exploited(msgspec.Struct, frozen=True, array_like=True):
    """An entry of CISA's catalogue of known exploited vulnerabilities."""

    cve: str
    added: date
    due: date
    ransomware: bool


class Likelihoods(msgspec.Struct, frozen=True, array_like=True):
    """EPSS probabilities of many CVEs: one row for each would make every day's revision as large as the first."""

    probability: dict[str, float]


class Support(msgspec.Struct, frozen=True, array_like=True):
    """How long a release of a product gets security updates; days are the last on which it still does."""

    product: str
    release: str
    name: str
    #: For everybody, free long-term support included. None: no end is known.
    ends: date | None
    #: For those who pay.
    extended: date | None = None


Value: TypeAlias = Advisory | IndexedPackage | Exploited | Likelihoods | Support

# --- Where it belongs ---------------------------------------------------------------------------------


class Kind(enum.StrEnum):
    """A format, and so a way of saying things."""

    OSV = "osv"
    PACKAGES = "packages"
    UPDATEINFO = "updateinfo"
    DEBIAN_TRACKER = "debian-tracker"
    SECDB = "secdb"
    KEV = "kev"
    EPSS = "epss"
    END_OF_LIFE = "endoflife"
    DISTRO_INFO = "distro-info"


#: What entries of a kind are decoded into.
VALUES: dict[Kind, type[Value]] = {
    Kind.OSV: Advisory,
    Kind.PACKAGES: IndexedPackage,
    Kind.UPDATEINFO: Advisory,
    Kind.DEBIAN_TRACKER: Advisory,
    Kind.SECDB: Advisory,
    Kind.KEV: Exploited,
    Kind.EPSS: Likelihoods,
    Kind.END_OF_LIFE: Support,
    Kind.DISTRO_INFO: Support,
}


@dataclass(frozen=True, slots=True, order=True)
class Feed:
    """What revisions are counted of: one source of data about one release.

    ``ecosystem`` and ``release`` are in the words of os-release(5) (``debian`` and ``12``); a paid channel of a
    release is a release of its own (``22.04+esm``). ``part`` is the suite, component and architecture of an index,
    the repository of a secdb or an updateinfo (empty: not told), the product of an end-of-life table.
    """

    kind: Kind
    ecosystem: str = ""
    release: str = ""
    part: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind.value, self.ecosystem, self.release, self.part)))


class DatedBy(enum.StrEnum):
    """Where the date of a revision is from."""

    DATA = "data"
    #: The data bears no date: the file's own is taken, which is that of the download where it was kept.
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact of a feed. ``key`` is its name within the feed; ``dated`` when it was last changed, if it says so."""

    feed: Feed
    key: str
    #: None: withdrawn by its maker.
    value: Value | None
    dated: datetime | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was read and is of no use here, and why; counted, not stored."""

    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file says. ``entries`` is lazy and read once.

    ``complete``: the file is all there is of its feeds, so that what it no longer has is gone; else it adds to
    what is there, entry by entry. ``feeds`` names the feeds that it speaks for even where it has no entry.
    ``part`` is what all of them are of, where the same content may be of several.
    """

    kind: Kind
    as_of: datetime | None
    complete: bool
    entries: Iterator[Entry | LeftOut]
    feeds: tuple[Feed, ...] = field(default=())
    part: str = ""
