"""Where a host answers: its declared addresses and what its names resolved to."""

from typing import ClassVar

from secscan.facts.kind import Facts
from secscan.model import Level


class AddressFacts(Facts, frozen=True, kw_only=True):
    """Every address is an endpoint of the host's services. Canonical text, sorted, no duplicates."""

    kind: ClassVar[str] = "addresses"
    level: ClassVar[Level] = Level.HOST

    addresses: tuple[str, ...]
    #: Name -> the addresses it resolved to, sorted; declared literals are under the empty name.
    by_name: dict[str, tuple[str, ...]]
