"""All I/O towards hosts. A collector takes a batch of targets and the gate, and yields a record for each."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from secscan.model import Record
from secscan.scope import Gate

TargetT = TypeVar("TargetT", contravariant=True)


class Collector(Protocol[TargetT]):
    """Sees hosts only through the gate; raises only for its own bugs.

    ``collect`` yields at least one Record for each target and each kind it is for, in any order: what could
    not be seen is an Unobserved. Every target ends within the deadline the collector was made with.
    """

    @property
    def name(self) -> str: ...

    @property
    def kinds(self) -> tuple[str, ...]: ...

    def collect(self, targets: Sequence[TargetT], gate: Gate) -> Iterator[Record]: ...
