"""What a sweep is asked for, and what it gives back."""

from dataclasses import dataclass, field

from secscan.facts import Absent, ChainFacts, Depth, Gap, TlsFacts

__all__ = ["Depth", "SweepSettings", "Swept"]


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """Bounds of one sweep. Seconds do not count while the gate makes it wait.

    ``deadline``: seconds for one endpoint; FULL takes up to four times as many while the server goes on answering.
    ``patience``: seconds for one answer, connecting included. ``most_bytes``: read from one connection.
    ``connections``: to the server at a time. ``most_connections``: in all, whatever it answers.
    """

    deadline: float = 15.0
    patience: float = 5.0
    most_bytes: int = 256 * 1024
    connections: int = 4
    most_connections: int = 1000


@dataclass(frozen=True, slots=True)
class Swept:
    """What one endpoint was seen to offer, and send. ``connections`` is how many it took.

    ``volatile`` are readings that are shown and not judged.
    """

    tls: TlsFacts | Absent | Gap
    chain: ChainFacts | Absent | Gap
    connections: int = 0
    volatile: dict[str, str] = field(default_factory=dict)
