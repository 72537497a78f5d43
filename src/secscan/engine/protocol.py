"""What the coordinator and its workers tell each other: one JSON document a line."""

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec

from secscan.credential import Credential
from secscan.engine.shard import Shard
from secscan.facts import BUILT_IN, Facts, decode, encode
from secscan.facts.kind import encodable
from secscan.model import Host, Observation, Reason, Record, Unobserved, parse_target

#: A longer line than this is no message of ours: facts are bounded far below it.
LONGEST_LINE = 64 * 1024 * 1024


class WireRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Record in transit. ``facts`` is canonical JSON; where it is absent, ``reason`` says why."""

    target: str
    collector: str
    kind: str
    at: datetime
    version: int = 0
    facts: msgspec.Raw = msgspec.Raw()
    volatile: dict[str, str] = {}
    reason: Reason | None = None
    detail: str = ""


class TlsLook(enum.StrEnum):
    """How closely TLS is looked at. QUICK: what the rules need; FULL: every suite and group; DEEP: sslyze besides."""

    QUICK = "quick"
    FULL = "full"
    DEEP = "deep"


class CollectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How hosts are looked at. ``deadline`` is in seconds, for each target."""

    deadline: float = 60.0
    ports: str = "top-1000"
    #: Ports that are asked on every host besides: those the baseline's rules have to know.
    needed_ports: str = ""
    version_detection: bool = True
    #: Whether the short list of UDP ports is asked, too.
    udp: bool = True
    #: The network zone that the scan looks from, as the operator calls it; empty: nobody said.
    zone: str = ""
    #: None: use nmap where it is found.
    nmap: bool | None = None
    tls: TlsLook = TlsLook.QUICK
    #: The kinds of facts to look for; collectors of others leave the hosts alone. Empty: all.
    only: tuple[str, ...] = ()


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How hosts are logged in to. Credentials say where a secret is kept; each worker finds it for itself.

    ``deadline``: seconds a host may take; ``at_once``: hosts at a time, for all workers together.
    """

    credentials: dict[str, Credential]
    known_hosts: Path
    deadline: float = 60.0
    at_once: int = 16


class Setup(msgspec.Struct, frozen=True, kw_only=True, tag="setup"):
    """The first message to a worker. ``share`` of the scope's global rates is this worker's: (1, 2) is half."""

    scope: dict[str, Any]
    settings: CollectionSettings
    share: tuple[int, int]
    probe_log: str | None
    #: None: nobody logs in.
    login: Login | None = None


class Work(msgspec.Struct, frozen=True, kw_only=True, tag="work"):
    """A shard to do."""

    shard: int
    hosts: tuple[Host, ...]
    known_ports: dict[str, tuple[int, ...]] = {}
    recorded: tuple[WireRecord, ...] = ()
    backups: dict[str, tuple[str, ...]] = {}


class Seen(msgspec.Struct, frozen=True, kw_only=True, tag="seen"):
    """One record of a shard, as soon as there is one."""

    shard: int
    record: WireRecord


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """Everything of the shard has been sent."""

    shard: int


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """Nothing at all may be probed any more, and the operator must mend why: the probe log can't be written."""

    detail: str


ToWorker: TypeAlias = Setup | Work
FromWorker: TypeAlias = Seen | Done | Failed
MessageT = TypeVar("MessageT")


def _text(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value))


def _path(wanted: type, value: Any) -> Any:
    """Paths travel as text."""
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(wanted)


_to_worker: "msgspec.json.Decoder[ToWorker]" = msgspec.json.Decoder(ToWorker, dec_hook=_path)
_from_worker: "msgspec.json.Decoder[FromWorker]" = msgspec.json.Decoder(FromWorker)
_encoder = msgspec.json.Encoder(enc_hook=_text)


class ProtocolError(ValueError):
    """A line that is none of our messages."""


def line(message: ToWorker | FromWorker) -> bytes:
    return _encoder.encode(message) + b"\n"


def read_to_worker(text: bytes) -> ToWorker:
    """Raises ProtocolError."""
    return _read(_to_worker, text)


def read_from_worker(text: bytes) -> FromWorker:
    """Raises ProtocolError."""
    return _read(_from_worker, text)


def _read(decoder: "msgspec.json.Decoder[MessageT]", text: bytes) -> MessageT:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, ValueError) as e:
        raise ProtocolError(f"not a message of the worker protocol: {e}") from e


def work(shard: Shard) -> Work:
    return Work(
        shard=shard.id,
        hosts=shard.hosts,
        known_ports=shard.known_ports,
        recorded=tuple(to_wire(record) for record in shard.recorded),
        backups=shard.backups,
    )


def shard_of(work: Work, kinds: Mapping[str, type[Facts]] = BUILT_IN) -> Shard:
    recorded = tuple(from_wire(record, kinds) for record in work.recorded)
    return Shard(work.shard, work.hosts, work.known_ports, recorded, work.backups)


def to_wire(record: Record) -> WireRecord:
    if isinstance(record, Unobserved):
        return WireRecord(
            target=record.target.key,
            collector=record.collector,
            kind=record.kind,
            at=record.observed_at,
            reason=record.reason,
            detail=encodable(record.detail),
        )
    return WireRecord(
        target=record.target.key,
        collector=record.collector,
        kind=record.kind,
        at=record.observed_at,
        version=getattr(type(record.facts), "version", 1),
        facts=msgspec.Raw(encode(record.facts)),
        volatile={key: encodable(value) for key, value in record.volatile.items()},
    )


def from_wire(wire: WireRecord, kinds: Mapping[str, type[Facts]] = BUILT_IN) -> Record:
    """Raises FactKindError where the facts fit no known kind, ValueError on a target that is none."""
    target = parse_target(wire.target)
    if wire.reason is not None:
        return Unobserved(target, wire.collector, wire.kind, wire.at, wire.reason, wire.detail)
    facts = decode(kinds[wire.kind], wire.version, bytes(wire.facts))
    return Observation(target, wire.collector, wire.kind, wire.at, facts, wire.volatile)


def records(wires: Sequence[WireRecord], kinds: Mapping[str, type[Facts]] = BUILT_IN) -> tuple[Record, ...]:
    return tuple(from_wire(wire, kinds) for wire in wires)
