"""What one endpoint offers in TLS: protocol versions, cipher suites, key exchange, and known weaknesses."""

import enum
from typing import ClassVar

import msgspec

from secscan.facts.kind import Facts, Gap, Reading
from secscan.model import Level


class TlsVersion(enum.StrEnum):
    """Protocol versions, oldest first."""

    SSLV2 = "SSLv2"
    SSLV3 = "SSLv3"
    TLS1_0 = "TLSv1.0"
    TLS1_1 = "TLSv1.1"
    TLS1_2 = "TLSv1.2"
    TLS1_3 = "TLSv1.3"


class CipherSuite(msgspec.Struct, frozen=True, kw_only=True):
    """A suite the endpoint accepted, under its IANA name. ``key_exchange``: RSA, DHE, ECDHE, anon, PSK or TLS1.3."""

    name: str
    key_size: int = 0


class VersionOffer(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol version: offered or not, and the suites accepted under it (sorted by name)."""

    version: TlsVersion
    offered: Reading[bool]
    suites: Reading[tuple[CipherSuite, ...]] = Gap()


class TlsFacts(Facts, frozen=True, kw_only=True):
    """One endpoint that speaks TLS. Every field may be a Gap: a collector says what it did not look at."""

    kind: ClassVar[str] = "tls"
    level: ClassVar[Level] = Level.ENDPOINT

    #: ``""`` for TLS from the first byte, else the protocol that was upgraded: ``smtp``, ``imap``, ...
    starttls: str = ""
    #: One entry a version, oldest first; all six are present.
    versions: tuple[VersionOffer, ...]
    #: The smallest finite-field Diffie-Hellman prime seen, in bits; 0 where no DHE suite is offered.
    dh_bits: Reading[int] = Gap()
    #: Named groups accepted for ephemeral key exchange, by IANA name, sorted.
    groups: Reading[tuple[str, ...]] = Gap()
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
    #: Bleichenbacher's oracle (ROBOT, 2017): "none", "weak" or "strong".
    robot: Reading[str] = Gap()
    #: TLS 1.3 0-RTT data is accepted (replayable: RFC 8446, section 8).
    early_data: Reading[bool] = Gap()

    def offer(self, version: TlsVersion) -> VersionOffer:
        return next(offer for offer in self.versions if offer.version is version)
