"""What one endpoint offers in TLS: protocol versions, cipher suites, key exchange, and known weaknesses."""

import enum
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from secscan.facts.kind import Facts, Gap, Reading
from secscan.facts.suites import SuiteClass
from secscan.model import Level

#: As ``TlsFacts.groups_below``: whatever group there is was asked about. No field has so many bits.
EVERY_GROUP = 1 << 16


class TlsVersion(enum.StrEnum):
    """Protocol versions, oldest first."""

    SSLV2 = "SSLv2"
    SSLV3 = "SSLv3"
    TLS1_0 = "TLSv1.0"
    TLS1_1 = "TLSv1.1"
    TLS1_2 = "TLSv1.2"
    TLS1_3 = "TLSv1.3"


class Depth(enum.StrEnum):
    """How much was asked. VERDICT: what the rules need, by classes of suites; FULL: every suite and every group."""

    VERDICT = "verdict"
    FULL = "full"


class Oddity(enum.StrEnum):
    """What a server can't bear, so that it had to be asked in another way."""

    #: It ends the connection on a hello that offers TLS 1.3, instead of choosing an older version.
    VERSION = "intolerant of TLS 1.3"
    #: It answers hellos without extensions only, or with very few (RFC 5246, section 7.4.1.4: it must ignore them).
    EXTENSIONS = "intolerant of extensions"
    #: It answers hellos of fewer than 256 bytes only.
    SIZE = "intolerant of long hellos"
    #: It closes or refuses connections when they come too quickly.
    RATE = "rate limited"
    #: It closed or reset some connections that it answered when they were made again.
    RESETS = "resets connections"
    #: It says nothing at all to some hellos, while it answers others.
    SILENCE = "silent on some hellos"


class CipherSuite(msgspec.Struct, frozen=True, kw_only=True):
    """A suite the endpoint accepted, under its IANA name. ``key_size`` in bits, 0 where it is not known."""

    name: str
    key_size: int = 0


class VersionOffer(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol version: offered or not, and the suites seen to be accepted under it (sorted by name)."""

    version: TlsVersion
    offered: Reading[bool]
    suites: Reading[tuple[CipherSuite, ...]] = Gap()
    #: What ``suites`` is good for: of each class here, either it names a suite at least, or none is accepted. Of any
    #: other class, suites may be accepted that it does not name. EVERY: it names all that are accepted.
    settled: tuple[SuiteClass, ...] = (SuiteClass.EVERY,)
    #: Why the classes that are not in ``settled`` are not.
    unsettled: Gap = Gap()
    #: Whose order decides which suite is taken: "server" or "client"; "one" where only one suite is accepted.
    preference: Reading[str] = Gap()

    def settles(self, kind: SuiteClass) -> bool:
        """Whether ``suites`` is good for telling if a suite of this class is accepted."""
        return SuiteClass.EVERY in self.settled or kind in self.settled


class DhPrime(msgspec.Struct, frozen=True, kw_only=True):
    """A prime of finite-field Diffie-Hellman. ``name`` is of a well-known one (``ffdhe2048``), else ``own``."""

    bits: int
    name: str


def _from_1(plain: dict[str, Any]) -> dict[str, Any]:
    """Version 1 held lists of suites and groups that were complete, or none; what it never asked stays a gap."""
    return plain | {
        "groups_below": EVERY_GROUP,
        "versions": [
            offer | {"settled": [SuiteClass.EVERY.value] if isinstance(offer["suites"], list) else []}
            for offer in plain["versions"]
        ],
    }


class TlsFacts(Facts, frozen=True, kw_only=True):
    """One endpoint that speaks TLS. Every field may be a Gap: a collector says what it did not look at."""

    kind: ClassVar[str] = "tls"
    version: ClassVar[int] = 2
    level: ClassVar[Level] = Level.ENDPOINT
    upgrades: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: _from_1}

    #: ``""`` for TLS from the first byte, else the protocol that was upgraded: ``smtp``, ``imap``, ...
    starttls: str = ""
    #: One entry a version, oldest first; all six are present.
    versions: tuple[VersionOffer, ...]
    #: The smallest finite-field Diffie-Hellman prime seen, in bits; 0 where no DHE suite is offered.
    dh_bits: Reading[int] = Gap()
    #: The primes themselves, the smallest first; two of one size and name count once.
    dh_primes: Reading[tuple[DhPrime, ...]] = Gap()
    #: Named groups accepted for ephemeral key exchange, by IANA name, sorted. See ``groups_below``.
    groups: Reading[tuple[str, ...]] = Gap()
    #: Every elliptic curve over a field of fewer bits than this was asked about, one by one or together until all that
    #: were left were refused: of those ``groups`` names at least one, or none is accepted. Larger ones may be missing.
    groups_below: int = EVERY_GROUP
    #: The hybrids of ML-KEM and an elliptic curve that are accepted; all that are registered were asked. They are in
    #: ``groups`` too.
    post_quantum: Reading[tuple[str, ...]] = Gap()
    #: Signature schemes with SHA-1 or MD5 that the server signs its key exchange with in TLS 1.2, by IANA name,
    #: sorted: empty, or at least one.
    weak_signatures: Reading[tuple[str, ...]] = Gap()
    #: All schemes that it signs with in TLS 1.2 when it is offered nothing else, by IANA name, sorted.
    signatures: Reading[tuple[str, ...]] = Gap()
    #: A certificate from the client was asked for (or demanded) during the handshake.
    client_certificate: Reading[str] = Gap()  # "not-asked" | "asked" | "required"
    #: RFC 5746. True: the server answers with renegotiation_info.
    secure_renegotiation: Reading[bool] = Gap()
    #: The server renegotiates whenever a client asks: a cheap way to exhaust it (CVE-2011-1473).
    client_renegotiation: Reading[bool] = Gap()
    #: RFC 7507. True: a downgraded hello with TLS_FALLBACK_SCSV is refused.
    fallback_scsv: Reading[bool] = Gap()
    #: RFC 7627.
    extended_master_secret: Reading[bool] = Gap()
    #: TLS-level compression (CRIME, CVE-2012-4929).
    compression: Reading[bool] = Gap()
    #: CVE-2014-0160.
    heartbleed: Reading[bool] = Gap()
    #: CVE-2014-0224.
    ccs_injection: Reading[bool] = Gap()
    #: RFC 7366: when a CBC suite was chosen, encrypt_then_mac was taken up.
    encrypt_then_mac: Reading[bool] = Gap()
    #: RFC 6520: it offers to answer heartbeats.
    heartbeat: Reading[bool] = Gap()
    #: RFC 5077, RFC 8446 section 4.6.1: it hands out tickets for the resumption of sessions.
    tickets: Reading[bool] = Gap()
    #: RFC 7301: the protocols it was seen to choose, sorted; empty: it chose none of those offered.
    alpn: Reading[tuple[str, ...]] = Gap()
    #: RFC 8446, section 4.1.3: a server that knows a newer version marks its random bytes when it chooses an older.
    downgrade_mark: Reading[bool] = Gap()
    #: Bleichenbacher's oracle (ROBOT, 2017): "none", "weak" or "strong".
    robot: Reading[str] = Gap()
    #: TLS 1.3 0-RTT data is accepted (replayable: RFC 8446, section 8).
    early_data: Reading[bool] = Gap()
    #: How much was asked.
    depth: Reading[Depth] = Gap()
    #: What made it hard to ask, sorted.
    oddities: Reading[tuple[Oddity, ...]] = Gap()

    def offer(self, version: TlsVersion) -> VersionOffer:
        return next(offer for offer in self.versions if offer.version is version)
