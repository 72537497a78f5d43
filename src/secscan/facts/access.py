"""How a login went: whether the machine that answered is the one that was trusted."""

import enum
from typing import ClassVar

from secscan.facts.kind import Facts
from secscan.model import Level


class HostKey(enum.StrEnum):
    """TRUSTED: it is one that known_hosts has for this host. CHANGED: known_hosts has another, or has it as revoked."""

    TRUSTED = "trusted"
    CHANGED = "changed"


class AccessFacts(Facts, frozen=True, kw_only=True):
    """The host key that was shown on the way to a host: its own, or that of a jump host that leads to it.

    A key that is not known yet is none of these: then nobody can say, and the kind is Unobserved.
    """

    kind: ClassVar[str] = "access"
    level: ClassVar[Level] = Level.HOST

    host_key: HostKey
    #: For CHANGED: where it was shown, what it is, and what was expected, in one sentence; ours, not the host's.
    said: str = ""
