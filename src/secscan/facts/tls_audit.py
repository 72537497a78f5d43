"""What sslyze says of one endpoint that speaks TLS, recorded beside what the sweep saw of it."""

from typing import ClassVar

import msgspec

from secscan.facts.kind import Facts, Gap, Reading
from secscan.facts.tls import CipherSuite, TlsVersion
from secscan.model import Level


class VersionAudit(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol version: offered or not, and all suites accepted under it (sorted by name)."""

    version: TlsVersion
    offered: Reading[bool] = Gap()
    suites: Reading[tuple[CipherSuite, ...]] = Gap()


class TlsAuditFacts(Facts, frozen=True, kw_only=True):
    """One endpoint. What was not asked is a Gap: a scan asks for ROBOT alone, and only where it matters.

    The fields mean what those of the same name mean in ``TlsFacts``. Where both are known and differ, the sweep is
    believed.
    """

    kind: ClassVar[str] = "tls-audit"
    level: ClassVar[Level] = Level.ENDPOINT

    #: One entry a version, oldest first; all six are present.
    versions: tuple[VersionAudit, ...]
    dh_bits: Reading[int] = Gap()
    groups: Reading[tuple[str, ...]] = Gap()
    client_certificate: Reading[str] = Gap()
    secure_renegotiation: Reading[bool] = Gap()
    client_renegotiation: Reading[bool] = Gap()
    fallback_scsv: Reading[bool] = Gap()
    extended_master_secret: Reading[bool] = Gap()
    compression: Reading[bool] = Gap()
    heartbleed: Reading[bool] = Gap()
    ccs_injection: Reading[bool] = Gap()
    robot: Reading[str] = Gap()
    early_data: Reading[bool] = Gap()
    #: SHA-256 of each certificate that the server calls its own, in hexadecimal, sorted.
    certificates: Reading[tuple[str, ...]] = Gap()

    @property
    def says_anything(self) -> bool:
        """False where sslyze was not asked, or had no answer to anything."""
        readings = [getattr(self, name) for name in self.__struct_fields__ if name != "versions"]
        readings += [audit.offered for audit in self.versions]
        return any(not isinstance(reading, Gap) for reading in readings)

    def audit(self, version: TlsVersion) -> VersionAudit:
        return next(audit for audit in self.versions if audit.version is version)
