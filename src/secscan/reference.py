"""Reference data that checks ask for by annotation: what the world says, as of a date. Filled from imported feeds.

A kind that was never imported is simply not there, and evaluation answers for it with ``unavailable``; how old one
may be is a limit of the profile, and the checks hold each against its ``as_of``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar

from secscan.facts import Backup, Gap, PackageFacts, Reading, Release, Repository, SystemFacts, Unread
from secscan.model import Severity, Text

# --- What a host lacks ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flaw:
    """One vulnerability: its CVE number, or the advisory's own name where it has none.

    ``severity`` is the distributor's rating, else that of CVSS (4.0 before 3 before 2), else None: nobody rated it.
    """

    id: str
    severity: Severity | None = None
    #: When the oldest advisory that names it was published; None where the feed has no dates.
    published: date | None = None


@dataclass(frozen=True, slots=True)
class MissingUpdate:
    """What one installed source package lacks: everything between what is there and the newest fix.

    A source package has at most one of each: what an update mends, what nobody has mended yet (``fixed`` is empty),
    and what a reboot mends (``awaits_reboot``). Where it is installed in several versions, the oldest in use counts.
    ``package`` is the name by which the distributor speaks of it (for rpm, the source package's).
    """

    package: str
    #: The installed packages that are built from it and affected, sorted.
    binaries: tuple[str, ...]
    #: The version that is there, or runs, as the distributor compares it; of the source where ``fixed`` is.
    installed: str
    #: The version to have. Empty: nobody has published a fix.
    fixed: str
    #: Sorted by id.
    flaws: tuple[Flaw, ...]
    #: Names of the advisories (``DSA-5702-1``), sorted; empty where the distributor makes none.
    advisories: tuple[str, ...] = ()
    #: When the oldest of the lacking fixes was published; None where the feed has no dates.
    published: date | None = None
    #: The fix is installed and does not run yet: a kernel that waits for the reboot.
    awaits_reboot: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A host's packages against the advisories: what is missing, by package, and what could not be compared."""

    missing: tuple[MissingUpdate, ...]
    #: Names of installed packages whose version the distribution's rules can't read, sorted.
    undecided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of how much of a host the imported advisories speak, and until when."""

    #: Until when it is known what the host lacks: of all that is needed for it, the oldest. None where no imported feed
    #: speaks of its release.
    as_of: datetime | None
    #: Repositories, components, channels or packages of the host that no imported feed is about, sorted.
    uncovered: tuple[str, ...] = ()
    #: Why it can't be told what the host gets its packages from.
    unread: Gap | None = None


class Advisories(ABC):
    """What distributors say of flaws in their own packages. Only a distribution's own data counts for it."""

    kind: ClassVar[str] = "advisories"
    unavailable: ClassVar[Text] = Text(
        "No advisories were imported; bring those of the host's distribution and run: secscan feeds import FILE"
    )

    @abstractmethod
    def coverage(
        self, packages: PackageFacts, system: SystemFacts, repositories: Reading[tuple[Repository, ...]]
    ) -> Coverage:
        """Whether all that the host gets packages from is spoken of. Packages that come from nowhere are left out.

        ``system.release`` has been read; a Gap there never gets here.
        """

    @abstractmethod
    def compare(self, packages: PackageFacts, system: SystemFacts) -> Comparison:
        """What these packages lack, versions compared by the distribution's own rules. The order is by package.

        Several checks ask the same of one host in a row: an implementation remembers the last answers.
        """


# --- What is done with flaws ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exploitation:
    """An entry of CISA's catalogue of known exploited vulnerabilities."""

    added: date
    #: Until when CISA has US agencies mend it.
    due: date
    #: It is known to be used by ransomware.
    ransomware: bool = False


@dataclass(frozen=True, slots=True)
class KnownExploited:
    """Vulnerabilities that are being used, by CVE number (CISA, known_exploited_vulnerabilities)."""

    kind: ClassVar[str] = "known-exploited"
    unavailable: ClassVar[Text] = Text(
        "The catalogue of known exploited vulnerabilities was not imported; "
        "bring CISA's known_exploited_vulnerabilities.json and run: secscan feeds import FILE"
    )
    entries: Mapping[str, Exploitation]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ExploitPrediction:
    """How likely a vulnerability is to be used within 30 days, 0 to 1, by CVE number (FIRST, EPSS)."""

    kind: ClassVar[str] = "exploit-prediction"
    unavailable: ClassVar[Text] = Text(
        "No exploit predictions were imported; bring FIRST's epss_scores-current.csv.gz and run: "
        "secscan feeds import FILE"
    )
    probability: Mapping[str, float]
    as_of: datetime


# --- How long a system is looked after --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a release gets security updates. Days are the last on which it still does."""

    #: As people call it: ``Debian 12 (bookworm)``.
    name: str
    #: For everybody, long-term support that costs nothing included. None: no end is known (rolling releases).
    ends: date | None
    #: For those who pay (ESM, EUS, ESU); it counts where the host says that it takes part.
    extended: date | None = None


class EndOfLife(ABC):
    """When releases of operating systems stop getting security updates."""

    kind: ClassVar[str] = "end-of-life"
    unavailable: ClassVar[Text] = Text(
        "No dates of end of life were imported; bring endoflife.date's JSON of the system and run: "
        "secscan feeds import FILE"
    )

    @abstractmethod
    def as_of(self, release: Release) -> datetime | None:
        """The date of what is said of this release; None where nothing is."""

    @abstractmethod
    def lifetime(self, release: Release) -> Lifetime | None:
        """What is known of this release; None where it is none that the tables know."""


# --- What backup servers keep of other hosts ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeldBackup:
    """A backup of one host that was seen on another, its keeper."""

    backup: Backup
    keeper: str
    seen_at: datetime
    #: The keeper's clock minus ours, in seconds.
    clock_offset: Reading[int]
    #: The keeper belongs to another agency, whose hosts are not named to this one.
    is_foreign: bool = False


@dataclass(frozen=True, slots=True)
class Keeper:
    """A host that was looked at for the backups it keeps of others, and how well that could be seen.

    ``gap`` is why its backups were not read at all; None where they were.
    """

    gap: Gap | None = None
    unread: tuple[Unread, ...] = ()
    #: How many of its backups are of hosts of its own agency, and of hosts of others.
    own: int = 0
    foreign: int = 0
    #: What it calls the machines that no host of the inventory is, or that several of its own agency are, sorted.
    unmatched: tuple[str, ...] = ()
    #: How many are of several hosts alike, one of another agency among them.
    foreign_unmatched: int = 0


@dataclass(frozen=True, slots=True)
class HeldBackups:
    """What hosts keep of one another's backups, by the id of the host whose data it is; and the keepers, by theirs.

    Made from the newest facts of all hosts as of the instant of judging, so that judging again gives the same.
    """

    kind: ClassVar[str] = "held-backups"
    unavailable: ClassVar[Text] = Text("What backup servers keep of this host was not gathered.")
    of_host: Mapping[str, tuple[HeldBackup, ...]] = field(default_factory=dict)
    keepers: Mapping[str, Keeper] = field(default_factory=dict)


# --- What certificates must be held against -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RevocationLists:
    """Lists of revoked certificates that the operator brought in, DER, as they came: a signature is still to verify."""

    kind: ClassVar[str] = "revocation-lists"
    unavailable: ClassVar[Text] = Text("The lists of revoked certificates were not loaded.")
    lists: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class SeenIssuer:
    """The certificate of an authority (DER), and on which host of each agency it was seen to be sent."""

    certificate: bytes
    #: Agency -> the first of its hosts, by id.
    sent_by: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FleetKeys:
    """What can be told of one server's certificate only by those of all others.

    Keys go by the SHA-256 of their SubjectPublicKeyInfo, in hex. Made from the newest chains of all services as of the
    instant of judging, so that judging again gives the same.
    """

    kind: ClassVar[str] = "fleet-keys"
    unavailable: ClassVar[Text] = Text("The keys of the fleet were not gathered.")
    #: Of keys that servers on several hosts prove themselves with: agency -> its hosts, sorted.
    holders: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    #: Of RSA keys that share a prime with another: at least how many of the fleet have it, this one among them.
    sharing_prime: Mapping[str, int] = field(default_factory=dict)
    #: Subject (RFC 4514) -> certificates of authorities that were seen, in a fixed order.
    issuers: Mapping[str, tuple[SeenIssuer, ...]] = field(default_factory=dict)


# --- Host keys that several hosts have ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyHolders:
    """The hosts that proved to have one host key: host id -> its agency, as a check may be told of them."""

    agency_of: Mapping[str, str]

    def hosts_of(self, host: str) -> tuple[str, ...]:
        """The holders of the same agency as ``host``, which may be named to it; sorted."""
        agency = self.agency_of.get(host)
        return tuple(sorted(id for id, owner in self.agency_of.items() if owner == agency))

    def foreign_to(self, host: str) -> int:
        """How many are of other agencies, whose hosts are not named to this one."""
        return len(self.agency_of) - len(self.hosts_of(host))


@dataclass(frozen=True, slots=True)
class SharedHostKeys:
    """SSH host keys that more than one host has, by fingerprint, as of the instant of judging."""

    kind: ClassVar[str] = "shared-host-keys"
    unavailable: ClassVar[Text] = Text("Which host keys several hosts have was not gathered.")
    holders: Mapping[str, KeyHolders] = field(default_factory=dict)
