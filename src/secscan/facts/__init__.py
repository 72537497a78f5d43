"""Typed raw facts: one frozen model per kind of fact, shaped for the domain and not for the tool that saw it."""

from secscan.facts.access import AccessFacts, HostKey
from secscan.facts.addresses import AddressFacts
from secscan.facts.backups import (
    Attempt,
    Backup,
    BackupFacts,
    BackupRun,
    BackupTool,
    Place,
    PlaceKind,
    Retention,
    Unread,
)
from secscan.facts.chain import Chain, ChainFacts, WithoutName
from secscan.facts.kind import (
    Absent,
    FactKindError,
    Facts,
    Gap,
    NotSeen,
    Reading,
    decode,
    digest,
    encode,
    known,
)
from secscan.facts.operation import CronEntry, Mount, MountFacts, ScheduleFacts, Socket, SocketFacts, Timer
from secscan.facts.packages import Package, PackageFacts, PendingUpdate, Repository, UpdateFacts
from secscan.facts.ports import PortFacts, PortState, PortStatus, ServiceIdentity
from secscan.facts.service import Access, DnsOffer, ServiceFacts, SmbOffer, Spoken, ZoneTransfer
from secscan.facts.ssh import GroupOffer, ShownKey, SshAlgorithms, SshFacts
from secscan.facts.suites import SuiteClass
from secscan.facts.system import Kernel, Release, SystemFacts
from secscan.facts.tls import (
    EVERY_GROUP,
    CipherSuite,
    Depth,
    DhPrime,
    Oddity,
    TlsFacts,
    TlsVersion,
    VersionOffer,
)
from secscan.facts.tls_audit import TlsAuditFacts, VersionAudit

__all__ = [
    "BUILT_IN",
    "EVERY_GROUP",
    "INSIDE",
    "SECOND",
    "Absent",
    "Access",
    "AccessFacts",
    "AddressFacts",
    "Attempt",
    "Backup",
    "BackupFacts",
    "BackupRun",
    "BackupTool",
    "Chain",
    "ChainFacts",
    "CipherSuite",
    "CronEntry",
    "Depth",
    "DhPrime",
    "DnsOffer",
    "FactKindError",
    "Facts",
    "Gap",
    "GroupOffer",
    "HostKey",
    "Kernel",
    "Mount",
    "MountFacts",
    "NotSeen",
    "Oddity",
    "Package",
    "PackageFacts",
    "PendingUpdate",
    "Place",
    "PlaceKind",
    "PortFacts",
    "PortState",
    "PortStatus",
    "Reading",
    "Release",
    "Repository",
    "Retention",
    "ScheduleFacts",
    "ServiceFacts",
    "ServiceIdentity",
    "ShownKey",
    "SmbOffer",
    "Socket",
    "SocketFacts",
    "Spoken",
    "SshAlgorithms",
    "SshFacts",
    "SuiteClass",
    "SystemFacts",
    "Timer",
    "TlsAuditFacts",
    "TlsFacts",
    "TlsVersion",
    "Unread",
    "UpdateFacts",
    "VersionAudit",
    "VersionOffer",
    "WithoutName",
    "ZoneTransfer",
    "decode",
    "digest",
    "encode",
    "known",
]

#: The kinds that secscan brings along, by name.
BUILT_IN: dict[str, type[Facts]] = {
    model.kind: model
    for model in (
        AddressFacts,
        AccessFacts,
        PortFacts,
        TlsFacts,
        TlsAuditFacts,
        ChainFacts,
        SshFacts,
        ServiceFacts,
        SystemFacts,
        PackageFacts,
        UpdateFacts,
        SocketFacts,
        MountFacts,
        ScheduleFacts,
        BackupFacts,
    )
}

#: The kinds that only who logs in can see, or the machine itself.
INSIDE: tuple[str, ...] = tuple(
    model.kind
    for model in (
        AccessFacts,
        SystemFacts,
        PackageFacts,
        UpdateFacts,
        SocketFacts,
        MountFacts,
        ScheduleFacts,
        BackupFacts,
    )
)

#: The kinds that second looks at endpoints see (``secscan.engine.second_look``).
SECOND: tuple[str, ...] = (SshFacts.kind, ServiceFacts.kind)
