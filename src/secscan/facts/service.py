"""What one service says to somebody without credentials: whether it serves strangers, and how."""

import enum
from typing import ClassVar

import msgspec

from secscan.facts.kind import Facts, Gap, Reading, Value
from secscan.model import Level


class Spoken(enum.StrEnum):
    """Protocols in which one harmless message is said. NONE: the port speaks none of them, and nothing was said."""

    NONE = ""
    REDIS = "redis"
    MEMCACHED = "memcached"
    ELASTICSEARCH = "elasticsearch"
    DOCKER = "docker"
    MONGODB = "mongodb"
    SMB = "smb"
    DNS = "dns"
    VNC = "vnc"


class Access(enum.StrEnum):
    """Whether a stranger is served. ANYBODY: what was asked is answered before anybody logs in, and tells nothing."""

    OPEN = "open"
    DENIED = "denied"
    ANYBODY = "anybody"


class SmbOffer(Value, frozen=True, kw_only=True):
    """What a server for SMB agrees to. ``dialect`` is the one it chose of those up to 3.1.1, empty where it has none."""

    version_1: Reading[bool] = Gap()
    signing_required: Reading[bool] = Gap()
    dialect: str = ""


class ZoneTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """A zone, and whether all of it is given to us when asked."""

    zone: str
    allowed: Reading[bool]


class DnsOffer(Value, frozen=True, kw_only=True):
    """``recursion``: it looks names up for us that are none of its own. ``transfers``: of the zones asked, by name."""

    recursion: Reading[bool] = Gap()
    transfers: tuple[ZoneTransfer, ...] = ()


class ServiceFacts(Facts, frozen=True, kw_only=True):
    """One endpoint, spoken to in the protocol it was recognised by. All text is the host's, up to 200 characters.

    What is said in each protocol stands in ``secscan.collection.services``: one message, two for DNS and SMB.
    """

    kind: ClassVar[str] = "service"
    level: ClassVar[Level] = Level.ENDPOINT
    recalled: ClassVar[bool] = True

    protocol: Spoken = Spoken.NONE
    #: How that is known: ``probe``, ``banner``, ``tls``, or ``port`` (by its number alone, confirmed by the answer).
    how: str = ""
    #: The message was said inside TLS.
    tls: bool = False
    #: What it says its version is; empty where it says none.
    product_version: str = ""
    #: A Gap where the answer was not understood, or the protocol has no such message.
    access: Reading[Access] = Gap()
    smb: SmbOffer | Gap = Gap()
    dns: DnsOffer | Gap = Gap()
